//! The imports in a Python source, found without running or wholly parsing it.

/// Calls `visit` with the top-level name of each module that `source` imports, some more than once. Relative imports
/// stay inside their package and give nothing. Statements count wherever they are: in functions, under `if`, in `try`.
pub(crate) fn visit(source: &[u8], visit: &mut dyn FnMut(&str)) {
    let mut tokens = Tokens { source, at: 0, depth: 0 };
    let mut token = tokens.next();
    while let Some(first) = token {
        token = match first {
            Token::Name(b"import") => names(&mut tokens, visit),
            Token::Name(b"from") => {
                if let Some(Token::Name(name)) = tokens.next() {
                    give(name, visit);
                }
                skip_statement(&mut tokens)
            }
            Token::End => tokens.next(),
            _ => skip_statement(&mut tokens),
        };
    }
}

/// Reads `a.b as c, d` and gives the token after it.
fn names<'a>(tokens: &mut Tokens<'a>, visit: &mut dyn FnMut(&str)) -> Option<Token<'a>> {
    loop {
        match tokens.next()? {
            Token::Name(name) => give(name, visit),
            other => return Some(other),
        }
        loop {
            match tokens.next()? {
                Token::Other(b',') => break,
                Token::End => return tokens.next(),
                _ => {}
            }
        }
    }
}

fn skip_statement<'a>(tokens: &mut Tokens<'a>) -> Option<Token<'a>> {
    while tokens.next()? != Token::End {}
    tokens.next()
}

fn give(name: &[u8], visit: &mut dyn FnMut(&str)) {
    if let Ok(name) = std::str::from_utf8(name) {
        visit(name);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a [u8]),
    Other(u8),
    /// A statement may begin after it: the end of a line, `;` or `:` outside of brackets.
    End,
}

struct Tokens<'a> {
    source: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.source.get(self.at)?;
            self.at += 1;
            match byte {
                b'#' => self.at += self.source[self.at..].iter().take_while(|byte| **byte != b'\n').count(),
                b'\\' => self.continue_line(),
                b'"' | b'\'' => self.text(byte),
                b'(' | b'[' | b'{' => self.depth += 1,
                b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                b'\n' | b'\r' | b';' | b':' if self.depth == 0 => return Some(Token::End),
                _ if byte.is_ascii_whitespace() => {}
                _ if is_name(byte) => {
                    let start = self.at - 1;
                    self.at += self.source[self.at..].iter().take_while(|byte| is_name(**byte)).count();
                    return Some(Token::Name(&self.source[start..self.at]));
                }
                other => return Some(Token::Other(other)),
            }
        }
    }
}

impl Tokens<'_> {
    fn continue_line(&mut self) {
        if self.source[self.at..].starts_with(b"\r\n") {
            self.at += 2;
        } else {
            self.at += 1;
        }
    }

    /// Skips a text that began with `quote`. One that has no end on its line is taken to end there, so that a mistake
    /// costs a line and not the file.
    fn text(&mut self, quote: u8) {
        let three = [quote; 3];
        if self.source[self.at - 1..].starts_with(&three) {
            self.at += 2;
            while self.at < self.source.len() && !self.source[self.at..].starts_with(&three) {
                self.at += if self.source[self.at] == b'\\' { 2 } else { 1 };
            }
            self.at = (self.at + 3).min(self.source.len());
            return;
        }
        while let Some(&byte) = self.source.get(self.at) {
            match byte {
                b'\n' => return,
                b'\\' => self.at += if self.source[self.at..].starts_with(b"\\\r\n") { 3 } else { 2 },
                _ => self.at += 1,
            }
            if byte == quote {
                return;
            }
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

#[cfg(test)]
mod tests;
