//! SHA-256 digests: the identity of all content.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorKind};

/// The SHA-256 of some bytes in canonical form.
///
/// Shown as `sha256:` and 64 lowercase hexadecimal digits; read with or without the prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Number of bytes of a digest.
    pub const SIZE: usize = 32;

    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes a digest as it travels: 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a digest from a slice; `InvalidArgument` unless it has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        bytes.try_into().map(Self).map_err(|_| {
            Error::new(ErrorKind::InvalidArgument, "read a digest", format!("{} bytes instead of 32", bytes.len()))
        })
    }

    /// The bytes of digests one after the other; [`Digest::split`] reads them.
    ///
    /// ```
    /// use haulier_model::Digest;
    ///
    /// let digests = [Digest::of(b"a"), Digest::of(b"b")];
    /// assert_eq!(Digest::split(&Digest::concatenate(&digests)).unwrap(), digests);
    /// ```
    pub fn concatenate<'a>(digests: impl IntoIterator<Item = &'a Self>) -> Vec<u8> {
        digests.into_iter().flat_map(Self::as_bytes).copied().collect()
    }

    /// Splits digests that travel concatenated; `InvalidArgument` if the length is no multiple of 32.
    pub fn split(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        let (chunks, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "read digests",
                format!("{} bytes are no multiple of 32", bytes.len()),
            ));
        }
        Ok(chunks.iter().copied().map(Self).collect())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, without prefix: for file names.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The first 12 hexadecimal digits: for messages and tables.
    pub fn short(&self) -> String {
        hex(&self.0[..6])
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.short())
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let bad = || {
            Error::new(ErrorKind::InvalidArgument, "read a digest", format!("'{text}' is no SHA-256 digest"))
                .hint("write sha256: and 64 hexadecimal digits")
        };
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
            let value = |digit: u8| char::from(digit).to_digit(16);
            let (high, low) = value(pair[0]).zip(value(pair[1])).ok_or_else(bad)?;
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(bytes))
    }
}

/// Hashes bytes that arrive in parts.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let digest = Digest::of(b"haulier");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(digest.hex().parse::<Digest>().unwrap(), digest);
        for bad in ["", "sha256:", "sha256:zz", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(bad.parse::<Digest>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn parts_equal_whole() {
        let mut hasher = Hasher::default();
        hasher.update(b"hau");
        hasher.update(b"lier");
        assert_eq!(hasher.finish(), Digest::of(b"haulier"));
    }
}
