//! What a URL may be, and how it is shown. It opens no connection.

use haulier_model::{EntryPath, Error, ErrorKind, Result};
use percent_encoding::percent_decode_str;
use url::Url;

/// The schemes that are understood.
pub(crate) const SCHEMES: [&str; 5] = ["file", "ftp", "http", "https", "s3"];

/// The queries of an s3 URL that are no secret.
pub(crate) const S3_OPTIONS: [&str; 2] = ["endpoint", "region"];

/// Whether `text` begins as a URL does: "scheme://".
pub(crate) fn is_url(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once("://") else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
}

/// Reads a URL of a known scheme; the error never shows its credentials.
pub(crate) fn parse(text: &str) -> Result<Url> {
    let refused = |message: String| Error::new(ErrorKind::InvalidArgument, "read a URL", message);
    let known = SCHEMES.map(|scheme| format!("{scheme}://")).join(", ");
    let url = Url::parse(text).map_err(|error| {
        refused(format!("it is no URL: {error}")).hint("write it like https://host/path/name.jar, with %20 for a space")
    })?;
    if !is_url(text) || !SCHEMES.contains(&url.scheme()) {
        return Err(refused(format!("the scheme '{}' is not known; known are {known}", url.scheme()))
            .hint("download the file by a tool that knows the scheme, and give its path"));
    }
    if url.scheme() != "file" && url.host_str().is_none_or(str::is_empty) {
        return Err(refused(format!("{} names no host or bucket", shown(&url)))
            .hint("write it like ftp://host/folder or s3://bucket/prefix"));
    }
    Ok(url)
}

/// The URL for messages, logs and records: no user, no password, no fragment, and of the query only what is known to be
/// no secret.
pub(crate) fn shown(url: &Url) -> String {
    let mut open = url.clone();
    // Both fail only for URLs that cannot have credentials.
    let _ = open.set_username("");
    let _ = open.set_password(None);
    open.set_fragment(None);
    open.set_query(None);
    if url.scheme() == "s3" {
        for (name, value) in url.query_pairs().filter(|(name, _)| S3_OPTIONS.contains(&name.as_ref())) {
            let value = Url::parse(&value).map_or_else(|_| value.into_owned(), |endpoint| shown(&endpoint));
            open.query_pairs_mut().append_pair(&name, &value);
        }
    }
    open.into()
}

/// The path of a URL, decoded and without the first slash; `InvalidArgument` if it is no UTF-8 or hostile.
pub(crate) fn decoded_path(url: &Url) -> Result<String> {
    let encoded = url.path().trim_start_matches('/');
    let decoded = percent_decode_str(encoded).decode_utf8().map_err(|_| refused_path(url, "is no UTF-8"))?;
    if decoded.contains(['\r', '\n', '\0']) {
        return Err(refused_path(url, "has a line break or a NUL"));
    }
    let slashes = |text: &str| text.matches('/').count();
    if slashes(&decoded) != slashes(encoded) || decoded.split('/').any(|part| part == "..") {
        return Err(refused_path(url, "hides a slash or '..'"));
    }
    Ok(decoded.into_owned())
}

/// The last part of the URL's path, decoded: the name of a file in a folder of ours. `InvalidArgument` if it is none.
pub(crate) fn file_name(url: &Url) -> Result<String> {
    let path = decoded_path(url)?;
    let name = path.rsplit('/').next().unwrap_or_default();
    let checked = EntryPath::new(name).map_err(|_| refused_path(url, "ends with no file name"))?;
    if name.len() > 255 || name.starts_with('.') || name.chars().any(char::is_control) {
        return Err(refused_path(url, "ends with a name that no file should have"));
    }
    Ok(checked.as_str().to_owned())
}

/// Whether a listing leaves a file out: hidden ones, and what other programs are still writing.
pub(crate) fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || [".part", ".tmp", "~"].iter().any(|end| name.ends_with(end))
}

fn refused_path(url: &Url, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "read a URL", format!("the path of {} {problem}", shown(url)))
        .hint("give the URL of one file, such as https://host/path/name.jar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_shown() {
        for (url, open) in [
            ("https://me:secret@host:8443/a%20b.jar?token=secret#x", "https://host:8443/a%20b.jar"),
            ("ftp://me:secret@host/dir", "ftp://host/dir"),
            (
                "s3://bucket/p?endpoint=http://k:secret@localhost:1/&region=r&key=secret",
                "s3://bucket/p?endpoint=http%3A%2F%2Flocalhost%3A1%2F&region=r",
            ),
            ("file:///tmp/a", "file:///tmp/a"),
        ] {
            assert_eq!(shown(&parse(url).unwrap()), open);
        }
        for bad in ["gopher://me:secret@host/x", "http://me:secret@", "ftp://me:secret@:x/", "s3:///x?key=secret"] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(
            parse("gopher://host/x").unwrap_err().to_string().contains("file://, ftp://, http://, https://, s3://")
        );
    }

    #[test]
    fn names_of_files_are_checked() {
        for (url, name) in [
            ("http://h/a/b%20c%23%252e(1).jar?x=/y", "b c#%2e(1).jar"),
            ("http://h/%C3%BC.py", "ü.py"),
            ("s3://bucket/deep/key.jar", "key.jar"),
        ] {
            assert_eq!(file_name(&parse(url).unwrap()).unwrap(), name);
        }
        for bad in ["http://h/", "http://h/a/", "http://h/..%2f..%2fetc", "http://h/a%5Cb", "http://h/.ssh", "s3://b"] {
            assert_eq!(file_name(&parse(bad).unwrap()).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
        assert!(decoded_path(&parse("ftp://h/a%0d%0aDELE%20b").unwrap()).is_err());
    }
}
