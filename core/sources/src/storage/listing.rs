//! What a listing page of an HTTP server names. It only reads text, and trusts none of it: a link counts if it is a
//! child of the page itself, and nothing else.

use std::collections::BTreeSet;

use haulier_model::EntryPath;
use html5gum::{Token, Tokenizer};
use percent_encoding::percent_decode_str;
use url::Url;

/// The names in a folder; those of folders end with '/'.
pub(super) fn names(page: &Url, html: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // The tokenizer recovers from every mistake, so it ends only with the text.
    for Ok(token) in Tokenizer::new(html) {
        let Token::StartTag(tag) = token else { continue };
        if *tag.name == b"a"
            && let Some(target) = tag.attributes.get(&b"href"[..])
            && let Ok(target) = std::str::from_utf8(target)
        {
            names.extend(child(page, target));
        }
    }
    names
}

fn child(page: &Url, target: &str) -> Option<String> {
    let url = page.join(target.trim()).ok()?;
    let same_place = url.origin() == page.origin() && url.username() == page.username() && url.query().is_none();
    let folder = &page.path()[..=page.path().rfind('/')?];
    let rest = url.path().strip_prefix(folder).filter(|_| same_place)?;
    let (name, slash) = rest.strip_suffix('/').map_or((rest, ""), |name| (name, "/"));
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let checked = EntryPath::new(&name).ok().filter(|_| !name.contains('/') && !name.chars().any(char::is_control))?;
    Some(format!("{checked}{slash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(html: &str) -> Vec<String> {
        names(&Url::parse("http://host:80/units/").unwrap(), html.as_bytes()).into_iter().collect()
    }

    #[test]
    fn pages_of_the_usual_servers() {
        let python = r#"<ul><li><a href="a%20b%23%252e%281%29.jar">a b#%2e(1).jar</a></li>
            <li><a href="pricing/">pricing/</a></li><li><a href="%C3%BC.py">ü.py</a></li></ul>"#;
        assert_eq!(names_of(python), ["a b#%2e(1).jar", "pricing/", "ü.py"]);
        let nginx = r#"<h1>Index of /units/</h1><pre><a href="../">../</a>
            <a href="x.jar">x.jar</a>   20-Nov-2026 10:00   12</pre>"#;
        assert_eq!(names_of(nginx), ["x.jar"]);
        let apache = r#"<th><a href="?C=N;O=D">Name</a></th><td><a href="/">Parent Directory</a></td>
            <td><A HREF='/units/y&amp;z.jar'><img></A><a href="y&amp;z.jar">y&amp;z.jar</a></td>"#;
        assert_eq!(names_of(apache), ["y&z.jar"]);
    }

    #[test]
    fn hostile_links_do_not_count() {
        let page = r##"<a href="http://other/units/a.jar">1</a><a href="//other/units/a.jar">2</a>
            <a href="../secret">3</a><a href="%2e%2e/secret">4</a><a href="/etc/passwd">5</a><a href="javascript:x()">6</a>
            <a href="a/../../b">7</a><a href="..%2fsecret">8</a><a href="b%5Cc">9</a><a href="deep/er/file">10</a>
            <a href="file:///etc/passwd">11</a><a href="x.jar?y=1">12</a><a href="#top">13</a><a href="">14</a>
            <a href="https://host/units/a.jar">15</a><a href="/units-evil/a.jar">16</a><a href="%00">17</a><a>18</a>
            <a href="http://me:secret@host/units/u.jar">19</a><a href="%ff">20</a><!-- <a href="c.jar"> -->
            <a href="good.jar#fragment">21</a><a href="a%0ab">22</a>"##;
        assert_eq!(names_of(page), ["good.jar"]);
    }
}
