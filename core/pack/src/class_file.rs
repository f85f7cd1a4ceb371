//! Which classes a class file names. Knows the constant pool and nothing of what comes after it.
//!
//! The reader is strict about the form of the pool and indifferent to the version of the file: a class of a newer JDK
//! is read as long as its pool has no new kind of constant.

use std::{borrow::Cow, collections::HashSet};

use haulier_model::Result;

use crate::refusal;

/// The classes that a class file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassReferences {
    /// The internal name of the class itself: "com/acme/Task$Inner".
    pub name: String,
    /// The major version of the file: 61 for Java 17, 69 for Java 25.
    pub major: u16,
    /// Internal names of other classes, each once, in the order of the constant pool; of an array, its elements'. Names
    /// in descriptors, generic signatures and annotations are among them. It is a superset: a string constant that
    /// looks like a descriptor counts too.
    pub references: Vec<String>,
}

/// Reads the constant pool; `InvalidArgument` says what is wrong with the bytes.
///
/// ```
/// let error = haulier_pack::class_file::references(b"PK\x03\x04").unwrap_err();
/// assert!(error.to_string().contains("no class file"));
/// ```
pub fn references(bytes: &[u8]) -> Result<ClassReferences> {
    let pool = Pool::read(bytes)?;
    let name = pool.class(pool.this_class)?.into_owned();
    let mut seen = HashSet::new();
    let mut references = Vec::new();
    pool.visit(&mut |reference| {
        if reference != name && seen.insert(reference.to_owned()) {
            references.push(reference.to_owned());
        }
    })?;
    Ok(ClassReferences { name, major: pool.major, references })
}

/// Calls `visit` for each class that `bytes` name, itself included, some more than once.
pub(crate) fn visit(bytes: &[u8], visit: &mut dyn FnMut(&str)) -> Result<()> {
    Pool::read(bytes)?.visit(visit)
}

#[derive(Clone, Copy)]
enum Constant<'a> {
    Text(&'a [u8]),
    Class(u16),
    Other,
}

struct Pool<'a> {
    major: u16,
    this_class: u16,
    constants: Vec<Constant<'a>>,
}

impl<'a> Pool<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(4).ok() != Some(&[0xCA, 0xFE, 0xBA, 0xBE]) {
            return Err(corrupt("it is no class file: it does not begin with CAFEBABE"));
        }
        reader.take(2)?;
        let major = reader.u16()?;
        let count = usize::from(reader.u16()?);
        // A constant has at least 3 bytes: no count makes this allocate more than the bytes justify.
        let mut constants = Vec::with_capacity(count.min(bytes.len() / 3 + 1));
        constants.push(Constant::Other);
        while constants.len() < count {
            reader.constant(&mut constants)?;
        }
        reader.take(2)?;
        let this_class = reader.u16()?;
        Ok(Self { major, this_class, constants })
    }

    fn text(&self, index: u16) -> Result<&'a [u8]> {
        match self.constants.get(usize::from(index)) {
            Some(Constant::Text(text)) => Ok(text),
            _ => Err(corrupt(format!("constant {index} is no text"))),
        }
    }

    fn class(&self, index: u16) -> Result<Cow<'a, str>> {
        match self.constants.get(usize::from(index)) {
            Some(Constant::Class(text)) => modified_utf8(self.text(*text)?),
            _ => Err(corrupt(format!("constant {index} is no class"))),
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&str)) -> Result<()> {
        for constant in &self.constants {
            match constant {
                Constant::Class(index) => {
                    let text = self.text(*index)?;
                    // An array is named by its descriptor, which is visited as a text.
                    if text.first() != Some(&b'[') {
                        visit(&modified_utf8(text)?);
                    }
                }
                Constant::Text(text) => visit_descriptor(text, visit),
                Constant::Other => {}
            }
        }
        Ok(())
    }
}

/// Visits the classes of a descriptor or of a generic signature, `Lname;` or `Lname<...>;` anywhere in it. Any other
/// text has none, or one that no root has.
fn visit_descriptor(text: &[u8], visit: &mut dyn FnMut(&str)) {
    if !text.contains(&b';') {
        return;
    }
    let mut at = 0;
    while let Some(offset) = text[at..].iter().position(|byte| *byte == b'L') {
        let start = at + offset + 1;
        at = start;
        if start >= 2 && !b"([;)<>:*+-^BCDFIJSZV".contains(&text[start - 2]) {
            continue;
        }
        let Some(length) = text[start..].iter().position(|byte| b";<.[>:() ".contains(byte)) else { return };
        if length > 0
            && b";<".contains(&text[start + length])
            && let Ok(name) = modified_utf8(&text[start..start + length])
        {
            visit(&name);
        }
        // A name that began later would end at the same byte: going back to it would take quadratic time.
        at = start + length;
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at + length);
        self.at += length;
        taken.ok_or_else(|| corrupt(format!("it ends too early, at {} bytes", self.bytes.len())))
    }

    fn u16(&mut self) -> Result<u16> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Reads a constant; a long or a double takes two places.
    fn constant(&mut self, constants: &mut Vec<Constant<'a>>) -> Result<()> {
        let tag = self.take(1)?[0];
        let constant = match tag {
            1 => {
                let length = self.u16()?;
                Constant::Text(self.take(usize::from(length))?)
            }
            7 => Constant::Class(self.u16()?),
            5 | 6 => {
                self.take(8)?;
                constants.push(Constant::Other);
                Constant::Other
            }
            3 | 4 | 9 | 10 | 11 | 12 | 17 | 18 => self.skip(4)?,
            8 | 16 | 19 | 20 => self.skip(2)?,
            15 => self.skip(3)?,
            other => return Err(corrupt(format!("constant {} is of the unknown kind {other}", constants.len()))),
        };
        constants.push(constant);
        Ok(())
    }

    fn skip(&mut self, length: usize) -> Result<Constant<'a>> {
        self.take(length).map(|_| Constant::Other)
    }
}

/// Decodes the class file's own form of UTF-8: NUL is two bytes, what is beyond U+FFFF is two surrogates of three.
fn modified_utf8(text: &[u8]) -> Result<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(text) {
        return Ok(Cow::Borrowed(text));
    }
    let mut units = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    let mut next = || bytes.next().map(u16::from);
    while let Some(first) = next() {
        let unit = match first {
            0x00..=0x7F => Some(first),
            0xC0..=0xDF => next().map(|second| (first & 0x1F) << 6 | second & 0x3F),
            0xE0..=0xEF => {
                next().zip(next()).map(|(second, third)| (first & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F)
            }
            _ => None,
        };
        units.push(unit.ok_or_else(|| corrupt("a text is no modified UTF-8"))?);
    }
    String::from_utf16(&units).map(Cow::Owned).map_err(|_| corrupt("a text has half a surrogate pair"))
}

fn corrupt(problem: impl Into<String>) -> haulier_model::Error {
    refusal::refused(problem).in_operation("read a class file").hint("javap -v FILE.class")
}

#[cfg(test)]
mod tests;
