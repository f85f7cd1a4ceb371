//! The name of one attempt to change something.

use std::{fmt, str::FromStr};

use haulier_model::{Error, ErrorKind};

/// Names one change, at random: a writer whose answer was lost recognises its own record by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationId([u8; 16]);

impl OperationId {
    /// A new name that nobody else has.
    ///
    /// # Panics
    /// If the operating system has no source of randomness.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        // Nothing can be written safely without it, and no supported system lacks it once it has booted.
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(bytes)
    }

    /// Takes a name as it is stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 32 lowercase hexadecimal digits.
impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OperationId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let well_formed = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| well_formed);
        number.map(|number| Self(number.to_be_bytes())).ok_or_else(|| {
            let problem = format!("'{}' is no operation id", text.escape_debug());
            Error::new(ErrorKind::InvalidArgument, "read an operation id", problem).hint("give 32 hexadecimal digits")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let operation = OperationId::random();
        assert_eq!(operation.to_string().parse::<OperationId>().unwrap(), operation);
        assert_ne!(operation, OperationId::random());
        for bad in ["", "+0000000000000000000000000000000", "0", &"g".repeat(32), &"0".repeat(33)] {
            assert_eq!(bad.parse::<OperationId>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }
}
