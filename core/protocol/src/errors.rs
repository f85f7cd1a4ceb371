//! The one error as bytes, for bindings that carry it whole into another language.

use haulier_model::Error;
use prost::Message;

use crate::v1;

/// Encodes an error as `haulier.v1.Error`.
pub fn encode(error: &Error) -> Vec<u8> {
    v1::Error::from(error).encode_to_vec()
}

/// Decodes `haulier.v1.Error`; bytes that are none are a defect.
pub fn decode(bytes: &[u8]) -> Error {
    match v1::Error::decode(bytes) {
        Ok(message) => message.into(),
        Err(problem) => Error::internal("read an error", problem.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use haulier_model::ErrorKind;

    use super::*;

    #[test]
    fn round_trip() {
        let error = Error::new(ErrorKind::NotFound, "run a:1", "no such unit").context("node", "n").hint("haulier ls");
        assert_eq!(decode(&encode(&error)).to_string(), error.to_string());
        assert_eq!(decode(&[255]).kind(), ErrorKind::Internal);
    }
}
