//! Uncompresses entries, and gives exactly what the directory promised or an error.

use std::fs::File;

use crc32fast::Hasher as Crc;
use flate2::{Decompress, FlushDecompress, Status};
use haulier_model::{Digest, Hasher, Result};

use super::read_at;
use crate::{content::BLOCK_SIZE, refusal};

/// Where the bytes of an entry are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) offset: u64,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) crc: u32,
    pub(super) deflated: bool,
}

/// Buffers that serve one entry after the other.
pub(super) struct Extractor {
    state: Decompress,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Default for Extractor {
    fn default() -> Self {
        Self { state: Decompress::new(false), input: vec![0; BLOCK_SIZE], output: vec![0; BLOCK_SIZE] }
    }
}

impl Extractor {
    /// Gives the bytes of `member` in parts.
    pub(super) fn run(
        &mut self,
        file: &File,
        member: &Member,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut crc = Crc::new();
        let mut produced = 0;
        let mut checked = |bytes: &[u8]| {
            produced += bytes.len() as u64;
            if produced > member.size {
                return Err(refusal::refused(format!("it has more than the {} bytes it announces", member.size)));
            }
            crc.update(bytes);
            sink(bytes)
        };
        if member.deflated {
            self.inflate(file, member, &mut checked)?;
        } else {
            let mut source = Source { file, member, read: 0 };
            while let Some(length) = source.next(&mut self.input)? {
                checked(&self.input[..length])?;
            }
        }
        if produced != member.size {
            return Err(refusal::refused(format!("it has {produced} of the {} bytes it announces", member.size)));
        }
        if crc.finalize() != member.crc {
            return Err(refusal::refused("its checksum is wrong"));
        }
        Ok(())
    }

    /// The digest of the bytes of `member` as they lie in the archive.
    pub(super) fn digest_compressed(&mut self, file: &File, member: &Member) -> Result<Digest> {
        let (mut source, mut hasher) = (Source { file, member, read: 0 }, Hasher::default());
        while let Some(length) = source.next(&mut self.input)? {
            hasher.update(&self.input[..length]);
        }
        Ok(hasher.finish())
    }

    fn inflate(&mut self, file: &File, member: &Member, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut source = Source { file, member, read: 0 };
        self.state.reset(false);
        let (mut at, mut filled) = (0, 0);
        loop {
            if at == filled {
                (at, filled) = (0, source.next(&mut self.input)?.unwrap_or(0));
            }
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(&self.input[at..filled], &mut self.output, FlushDecompress::None)
                .map_err(|_| refusal::refused("its compressed bytes are damaged"))?;
            let (read, written) = (self.state.total_in() - read, self.state.total_out() - written);
            at += read as usize;
            sink(&self.output[..written as usize])?;
            match status {
                Status::StreamEnd if at == filled && source.remaining() == 0 => return Ok(()),
                Status::StreamEnd => return Err(refusal::refused("it has bytes after the end of its compressed form")),
                _ if read == 0 && written == 0 && source.remaining() == 0 => {
                    return Err(refusal::refused("its compressed bytes are cut off"));
                }
                _ => {}
            }
        }
    }
}

struct Source<'a> {
    file: &'a File,
    member: &'a Member,
    read: u64,
}

impl Source<'_> {
    fn remaining(&self) -> u64 {
        self.member.compressed - self.read
    }

    /// Fills the start of `block` and says how far; `None` at the end.
    fn next(&mut self, block: &mut [u8]) -> Result<Option<usize>> {
        let length = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(block.len());
        if length == 0 {
            return Ok(None);
        }
        read_at(self.file, &mut block[..length], self.member.offset + self.read)?;
        self.read += length as u64;
        Ok(Some(length))
    }
}
