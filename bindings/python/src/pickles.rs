//! Which modules a pickle names: those of the classes and functions that it refers to. It reads opcodes alone, makes no
//! object, and knows no distribution.

use std::ops::Range;

use pyo3::prelude::*;

use crate::buffers;

/// What refers to something by module and name, with both on the stack. Protocol 4 and newer have nothing else.
const STACK_GLOBAL: u8 = 0x93;
/// Modules of one pickle; more are not looked for.
const MOST: usize = 64;
/// Bytes of a pickle that is searched before it is read.
const SMALL: usize = 4096;
/// Opcodes of one pickle that are read, so that a long list of plain values costs little.
const MOST_OPCODES: usize = 100_000;

/// The top-level modules that a pickle of protocol 5 names in its first 100,000 parts, sorted; those of a payload with
/// buffers, too. A pickle that is not understood names those that were found before.
///
/// Small pickles of plain values end with the search for one byte; of large ones the parts are counted, not the bytes.
pub(crate) fn modules(payload: &[u8]) -> Vec<&str> {
    let pickle = buffers::pickle_of(payload);
    if pickle.len() <= SMALL && !may_name(pickle) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut reader = Reader { pickle, at: 0, last: None, before: None, memo: Vec::new() };
    for _ in 0..MOST_OPCODES {
        let Some(step) = reader.step().filter(|_| found.len() < MOST) else { break };
        if let Some(module) = step {
            let top = module.split('.').next().unwrap_or(module);
            if !found.contains(&top) {
                found.push(top);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Whether something is referred to at all: what is on the stack was just written, or taken from the memo (BINGET,
/// LONG_BINGET).
fn may_name(pickle: &[u8]) -> bool {
    let is_before = |at: usize, distance: usize, byte: u8| at >= distance && pickle[at - distance] == byte;
    let mut from = 0;
    while let Some(found) = pickle[from..].iter().position(|byte| *byte == STACK_GLOBAL) {
        let at = from + found;
        if is_before(at, 1, 0x94) || is_before(at, 2, b'h') || is_before(at, 5, b'j') {
            return true;
        }
        from = at + 1;
    }
    false
}

/// The same for Python.
#[pyfunction]
pub(crate) fn pickled_modules(payload: &[u8]) -> Vec<&str> {
    modules(payload)
}

/// What is known of a pickle at one place of it: the two values that were made last, if they are text, and all texts that
/// it can refer to again.
struct Reader<'a> {
    pickle: &'a [u8],
    at: usize,
    last: Option<&'a str>,
    before: Option<&'a str>,
    memo: Vec<Option<&'a str>>,
}

impl<'a> Reader<'a> {
    /// Reads one opcode: `None` at the end, else the module that it names, if it names one.
    fn step(&mut self) -> Option<Option<&'a str>> {
        let opcode = *self.pickle.get(self.at)?;
        self.at += 1;
        match opcode {
            STACK_GLOBAL => {
                let module = self.before;
                self.push(None);
                return Some(module);
            }
            // MEMOIZE
            0x94 => self.memo.push(self.last),
            // BINGET, LONG_BINGET
            b'h' | b'j' => {
                let index = self.number(if opcode == b'h' { 1 } else { 4 })?;
                self.push(self.memo.get(index).copied().flatten());
            }
            // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
            0x8c | b'X' | 0x8d => {
                let range = self.counted(match opcode {
                    0x8c => 1,
                    b'X' => 4,
                    _ => 8,
                })?;
                self.push(std::str::from_utf8(&self.pickle[range]).ok());
            }
            // STOP
            b'.' => return None,
            _ => {
                self.skip(opcode)?;
                self.push(None);
            }
        }
        Some(None)
    }

    /// Passes what follows an opcode that makes no text; `None` for one that protocol 5 does not write.
    fn skip(&mut self, opcode: u8) -> Option<()> {
        match opcode {
            // PROTO, BININT1, EXT1
            0x80 | b'K' | 0x82 => self.pass(1),
            // BININT2, EXT2
            b'M' | 0x83 => self.pass(2),
            // BININT, EXT4
            b'J' | 0x84 => self.pass(4),
            // FRAME, BINFLOAT
            0x95 | b'G' => self.pass(8),
            // SHORT_BINBYTES, LONG1
            b'C' | 0x8a => self.counted(1).map(drop),
            // BINBYTES, LONG4
            b'B' | 0x8b => self.counted(4).map(drop),
            // BINBYTES8, BYTEARRAY8
            0x8e | 0x96 => self.counted(8).map(drop),
            // MARK, values without an argument, and what takes others together
            b'(' | b'N' | 0x88 | 0x89 | b')' | b'}' | b']' | 0x8f | b't' | 0x85 | 0x86 | 0x87 | b'a' | b'e' | b's'
            | b'u' | 0x90 | 0x91 | b'R' | b'b' | 0x81 | 0x92 | b'Q' | b'0' | b'1' | b'2' | 0x97 | 0x98 => Some(()),
            _ => None,
        }
    }

    fn push(&mut self, text: Option<&'a str>) {
        self.before = self.last;
        self.last = text;
    }

    /// Passes so many bytes, which may be more than there are: then it is the end.
    fn pass(&mut self, bytes: usize) -> Option<()> {
        self.at += bytes;
        Some(())
    }

    /// A little-endian number of so many bytes.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let part = self.pickle.get(self.at..self.at.checked_add(bytes)?)?;
        self.at += bytes;
        let number = part.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).ok()
    }

    /// The place of bytes behind their number.
    fn counted(&mut self, bytes: usize) -> Option<Range<usize>> {
        let length = self.number(bytes)?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.pickle.len())?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }
}
