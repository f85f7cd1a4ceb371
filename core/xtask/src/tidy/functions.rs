//! Finds functions and their lengths in source text, without a parser: comments and strings are blanked, then braces
//! (Rust, Java) or indentation (Python) say where a function ends. It never judges a length.
use super::Language;

/// A function as it stands in a file.
pub(super) struct Function {
    /// Its name.
    pub(super) name: String,
    /// Line of its first word, from 1.
    pub(super) line: usize,
    /// Lines from its first word to its end.
    pub(super) lines: usize,
}

/// The functions of a file, in order.
pub(super) fn find(language: Language, text: &str) -> Vec<Function> {
    match language {
        Language::Python => by_indentation(text),
        Language::Rust | Language::Java => by_braces(language, &blank(language, text)),
    }
}

fn by_indentation(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut functions = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some(rest) = trimmed.strip_prefix("def ").or_else(|| trimmed.strip_prefix("async def ")) else { continue };
        let name = rest.split('(').next().unwrap_or_default().to_owned();
        let closing = |line: &str| line.trim_start().starts_with(')');
        let after = lines[index + 1..]
            .iter()
            .position(|next| !next.trim().is_empty() && indent(next) <= indent(line) && !closing(next))
            .map_or(lines.len(), |offset| index + 1 + offset);
        let end = (index + 1..after).rev().find(|at| !lines[*at].trim().is_empty()).unwrap_or(index);
        functions.push(Function { name, line: index + 1, lines: end - index + 1 });
    }
    functions
}

fn by_braces(language: Language, text: &str) -> Vec<Function> {
    let bytes = text.as_bytes();
    let mut functions = Vec::new();
    let mut open: Vec<Option<(String, usize)>> = Vec::new();
    let mut header = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' => {
                let declared = name_in(language, &text[header..at]);
                let start = header + text[header..at].len() - text[header..at].trim_start().len();
                open.push(declared.map(|name| (name, start)));
                header = at + 1;
            }
            b'}' => {
                if let Some(Some((name, start))) = open.pop() {
                    let line = 1 + count_lines(&bytes[..start]);
                    functions.push(Function { name, line, lines: 1 + count_lines(&bytes[start..at]) });
                }
                header = at + 1;
            }
            b';' if !inside_brackets(&bytes[header..at]) => header = at + 1,
            _ => {}
        }
    }
    functions
}

/// Whether a bracket is still open at the end: the `;` of `[u8; 32]` ends no statement.
fn inside_brackets(bytes: &[u8]) -> bool {
    let depth = bytes.iter().fold(0_i32, |depth, byte| match byte {
        b'(' | b'[' => depth + 1,
        b')' | b']' => depth - 1,
        _ => depth,
    });
    depth > 0
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// The name of the function whose body begins after `header`, if it is one.
fn name_in(language: Language, header: &str) -> Option<String> {
    let identifier = |c: char| c.is_alphanumeric() || c == '_';
    if language == Language::Rust {
        let (_, rest) = header.rsplit_once("fn ")?;
        return Some(rest.trim_start().split(|c| !identifier(c)).next()?.to_owned());
    }
    let word = |word: &str| header.split(|c| !identifier(c)).any(|part| part == word);
    if ["class", "interface", "enum", "record"].into_iter().any(word) {
        return None;
    }
    let before = header.split_once('(')?.0.trim_end();
    let name = before.rsplit(|c| !identifier(c)).next().filter(|name| !name.is_empty())?;
    let first = header.split(|c| !identifier(c)).find(|word| !word.is_empty())?;
    let control = ["if", "for", "while", "switch", "catch", "try", "synchronized", "else", "do", "return"];
    let statement = control.contains(&name) || control.contains(&first);
    let expression = before.contains('=') || before.contains('.') || header.contains("->") || header.contains("new ");
    (!statement && !expression).then(|| name.to_owned())
}

/// The text with comments, strings and character literals turned to spaces; lines stay.
fn blank(language: Language, text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(language, bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_end(language: Language, bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let until = |start: usize, end: &[u8]| {
        let found = rest[start..].windows(end.len()).position(|window| window == end);
        found.map_or(bytes.len(), |offset| at + start + offset + end.len())
    };
    if rest.starts_with(b"//") {
        return rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |offset| at + offset);
    }
    if rest.starts_with(b"/*") {
        return until(2, b"*/");
    }
    if language == Language::Java && rest.starts_with(b"\"\"\"") {
        return until(3, b"\"\"\"");
    }
    if language == Language::Rust && rest[0] == b'r' && !follows_word(bytes, at) {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            return until(2 + hashes, &[b"\"".as_slice(), &b"#".repeat(hashes)].concat());
        }
    }
    match rest[0] {
        b'"' => quoted_end(bytes, at, b'"'),
        b'\'' if language == Language::Java || is_character(rest) => quoted_end(bytes, at, b'\''),
        byte if !byte.is_ascii() => at + 1,
        _ => at,
    }
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'b' || bytes[at - 1] == b'_')
}

/// Whether a Rust quote begins a character and not a lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => rest.iter().take(6).skip(2).any(|byte| *byte == b'\''),
        None => false,
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(language: Language, text: &str) -> Vec<(String, usize, usize)> {
        find(language, text).into_iter().map(|function| (function.name, function.line, function.lines)).collect()
    }

    #[test]
    fn rust_functions() {
        let text = "//! fn in_a_comment() {\nimpl<'a> A<'a> {\n    fn one(&self, k: [u8; 2]) -> char {\n        '{'\n    }\n}\n\
                    const T: &str = r#\"fn no() {\"#;\nfn two() {\n    let f = |x| { x };\n}\n";
        assert_eq!(table(Language::Rust, text), [("one".into(), 3, 3), ("two".into(), 8, 3)]);
    }

    #[test]
    fn java_methods() {
        let text = "@Timeout(60)\nclass A {\n  A(int x) {\n    if (x > 0) {\n      go(() -> { run(); });\n    }\n  }\n\
                      String b() throws E {\n    return \"}\" + new C() { int d() { return 1; } };\n  }\n}\n";
        let found = table(Language::Java, text);
        assert_eq!(found, [("A".into(), 3, 5), ("d".into(), 9, 1), ("b".into(), 8, 3)]);
    }

    #[test]
    fn python_functions() {
        let text =
            "def one(\n    a,\n):\n    return a\n\n\nclass B:\n    async def two(self):\n        pass\n\n    x = 1\n";
        assert_eq!(table(Language::Python, text), [("one".into(), 1, 4), ("two".into(), 8, 2)]);
    }
}
