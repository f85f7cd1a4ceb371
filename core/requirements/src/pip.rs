//! What pip is told about indexes, for uv, which reads its own settings only: the variables of the environment, and
//! pip's configuration files. What uv is told itself counts first; a variable that is set and empty says that there
//! is none, as it does for pip.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// A larger file is no configuration.
const LARGEST: u64 = 64 << 10;

/// The options of pip, the variables of uv that say the same, the first of which is set if none is, and what stands
/// between several values.
const SAME: [(&str, &[&str], &str); 6] = [
    ("index-url", &["UV_DEFAULT_INDEX", "UV_INDEX_URL"], " "),
    ("extra-index-url", &["UV_EXTRA_INDEX_URL", "UV_INDEX"], " "),
    ("find-links", &["UV_FIND_LINKS"], ","),
    ("trusted-host", &["UV_INSECURE_HOST"], " "),
    ("no-index", &["UV_NO_INDEX"], " "),
    ("cert", &["SSL_CERT_FILE"], " "),
];

/// The variables that tell uv what pip was told.
pub(crate) fn variables() -> Vec<(&'static str, String)> {
    let set = |name: &str| env::var(name).ok();
    variables_of(&configured(&set), &set)
}

fn variables_of(
    configured: &BTreeMap<String, String>,
    set: &impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let of_pip = |option: &str| {
        let variable = format!("PIP_{}", option.to_uppercase().replace('-', "_"));
        set(&variable).or_else(|| configured.get(option).cloned())
    };
    let mut variables = Vec::new();
    for (option, own, between) in SAME {
        if own.iter().any(|name| set(name).is_some()) {
            continue;
        }
        let Some(value) = of_pip(option) else { continue };
        // uv fails for a folder that is not there, pip does not.
        let is_there = |word: &&str| option != "find-links" || word.contains("://") || Path::new(word).exists();
        let words: Vec<&str> = value.split_whitespace().filter(is_there).collect();
        if !words.is_empty() {
            variables.push((own[0], words.join(between)));
        }
    }
    variables
}

/// The options in pip's configuration files, those of later files before those of earlier ones.
fn configured(set: &impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let home = env::home_dir().unwrap_or_default();
    let set = |name: &str| set(name).filter(|value| !value.is_empty());
    let own = set("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let mut files = vec![
        PathBuf::from("/etc/xdg/pip/pip.conf"),
        PathBuf::from("/etc/pip.conf"),
        home.join(".pip/pip.conf"),
        own.join("pip/pip.conf"),
    ];
    files.extend(set("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("pip.conf")));
    files.extend(set("PIP_CONFIG_FILE").map(PathBuf::from));
    let mut options = BTreeMap::new();
    for file in files {
        let small = fs::metadata(&file).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
        if let (true, Ok(text)) = (small, fs::read_to_string(&file)) {
            options.extend(options_of(&text));
        }
    }
    options
}

/// The options of the section `[global]`.
fn options_of(text: &str) -> BTreeMap<String, String> {
    let (mut options, mut is_global, mut last) = (BTreeMap::new(), false, None::<String>);
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if content.starts_with('[') {
            (is_global, last) = (content == "[global]", None);
        } else if line.starts_with(char::is_whitespace)
            && let Some(value) = last.as_ref().and_then(|name| options.get_mut(name))
        {
            // A value goes on in lines that are indented.
            *value = format!("{value} {content}");
        } else if is_global && let Some((name, value)) = content.split_once('=') {
            let name = name.trim().to_lowercase().replace('_', "-");
            options.insert(name.clone(), value.trim().to_owned());
            last = Some(name);
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_is_heard_where_uv_is_told_nothing() {
        let text = "# mine\n[global]\nindex-url = https://a/simple\nextra_index_url=\n  https://b\n  https://c\n\
                    [install]\nindex-url = https://no\n";
        let configured = options_of(text);
        let nothing = |_: &str| None;
        let expected = [("UV_DEFAULT_INDEX", "https://a/simple"), ("UV_EXTRA_INDEX_URL", "https://b https://c")];
        assert_eq!(variables_of(&configured, &nothing), expected.map(|(name, value)| (name, value.to_owned())));
        let told = |name: &str| match name {
            "UV_INDEX_URL" => Some("https://uv".to_owned()),
            "PIP_EXTRA_INDEX_URL" => Some("https://d".to_owned()),
            "PIP_FIND_LINKS" => Some("/not/there https://e".to_owned()),
            "PIP_CERT" => Some(String::new()),
            _ => None,
        };
        let configured = options_of(&format!("{text}[global]\ncert = /a.pem\n"));
        let expected = [("UV_EXTRA_INDEX_URL", "https://d"), ("UV_FIND_LINKS", "https://e")];
        assert_eq!(variables_of(&configured, &told), expected.map(|(name, value)| (name, value.to_owned())));
    }
}
