//! What of another program's words must never be shown: the user, the password and the query of a URL.

/// The text with each URL without user and query, and without control characters.
pub fn without_secrets(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_end = |letter: char| letter.is_whitespace() || "/?#'\"`)>".contains(letter);
        let authority = &part[..part.find(is_end).unwrap_or(part.len())];
        let start = authority.rfind('@').map_or(0, |at| at + 1);
        shown.push_str("://");
        push_without_query(&mut shown, &part[start..]);
    }
    shown.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Appends the rest of a URL and what follows it, without the query.
fn push_without_query(shown: &mut String, rest: &str) {
    let end = rest.find(|letter: char| letter.is_whitespace() || "'\"`)>".contains(letter)).unwrap_or(rest.len());
    let url = &rest[..end];
    shown.push_str(url.split('?').next().unwrap_or_default());
    shown.push_str(&rest[end..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_no_secret() {
        for (text, shown) in [
            ("cannot fetch https://me:secret@host/x?token=secret now", "cannot fetch https://host/x now"),
            ("(`http://a:secret@b:c@h:1/simple`)", "(`http://h:1/simple`)"),
            ("no URL: me@host", "no URL: me@host"),
            ("a\u{1b}[31mb://c", "a [31mb://c"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
