//! What Maven coordinates look like, so that a wrong word costs no JVM. It must never know repositories.

use haulier_model::{Error, ErrorKind, Result};

const LONGEST: usize = 512;

/// Checks `text`; returns the name of the operation that resolves it.
pub(super) fn check(text: &str) -> Result<String> {
    let refuse = |message: String, hint: &str| {
        let error = Error::new(ErrorKind::InvalidArgument, "resolve Maven coordinates", message);
        Err(error.hint(hint.to_owned()))
    };
    let form = "write them like org.apache.commons:commons-text:1.12.0";
    if text.len() > LONGEST {
        return refuse(format!("they are longer than {LONGEST} bytes"), form);
    }
    let parts: Vec<&str> = text.split(':').collect();
    if !(3..=5).contains(&parts.len()) {
        return refuse(format!("{text:?} is not of the form group:artifact:version"), form);
    }
    let version = parts[parts.len() - 1];
    if version.contains(['[', ']', '(', ')', ',']) || ["LATEST", "RELEASE"].contains(&version) {
        return refuse(
            format!("{version:?} in {text:?} is not one version"),
            "write the exact version, such as 1.12.0",
        );
    }
    if let Some(part) = parts.iter().find(|part| !is_part(part)) {
        return refuse(format!("{part:?} in {text:?} is not a part of Maven coordinates"), form);
    }
    Ok(format!("resolve {text}"))
}

fn is_part(part: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._+-".contains(letter);
    part.chars().all(legal) && !part.contains("..") && !part.starts_with(['.', '-']) && !part.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_one_file_is_accepted() {
        for text in ["g:a:1", "org.acme:prices:1.0-SNAPSHOT", "g:a:zip:1", "g:a:jar:tests:1.0+build.7", "g:a:33.0-jre"]
        {
            assert_eq!(check(text).unwrap(), format!("resolve {text}"));
        }
    }

    #[test]
    fn what_is_not_exact_or_leaves_the_repository_is_refused() {
        let long = format!("g:a:{}", "1".repeat(LONGEST));
        let wrong =
            ["", "g:a", "g:a:", "g::1", "a:b:c:d:e:f", "../x:a:1", "g:a:..", "g:a/b:1", "g:a:1 2", "g:a:-1", &long];
        for text in wrong.into_iter().chain(["g:a:[1,2)", "g:a:(,2]", "g:a:LATEST", "g:a:RELEASE"]) {
            let error = check(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
            assert!(!error.hint_text().is_empty(), "{text}");
        }
    }
}
