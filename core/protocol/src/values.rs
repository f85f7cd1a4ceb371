//! Values as bytes: the payload of tasks with [`Codec::Values`](haulier_model::Codec::Values).

use bytes::Bytes;
use haulier_model::{Error, ErrorKind, Value};
use prost::Message;

use crate::v1;

/// Encodes one value.
pub fn encode(value: &Value) -> Bytes {
    v1::Value::from(value).encode_to_vec().into()
}

/// Decodes one value; `ResultUnreadable` if the bytes are none.
pub fn decode(bytes: &[u8]) -> Result<Value, Error> {
    v1::Value::decode(bytes).map(Value::from).map_err(|error| unreadable("read a value", error))
}

/// Encodes the arguments of a named task.
pub fn encode_arguments(arguments: &[Value]) -> Bytes {
    v1::ListValue { values: arguments.iter().map(Into::into).collect() }.encode_to_vec().into()
}

/// Decodes the arguments of a named task.
pub fn decode_arguments(bytes: &[u8]) -> Result<Vec<Value>, Error> {
    let list = v1::ListValue::decode(bytes).map_err(|error| unreadable("read arguments", error))?;
    Ok(list.values.into_iter().map(Value::from).collect())
}

fn unreadable(operation: &str, error: prost::DecodeError) -> Error {
    Error::new(ErrorKind::ResultUnreadable, operation, "the bytes are no value").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let all = vec![
            Value::Null,
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Float(-0.0),
            Value::String("ü\0".into()),
            Value::Bytes(vec![0, 255]),
            Value::List(vec![Value::Null, Value::List(vec![])]),
            Value::Map(vec![(Value::Integer(1), Value::Null), ("k".into(), Value::Map(vec![]))]),
        ];
        assert_eq!(decode_arguments(&encode_arguments(&all)).unwrap(), all);
        for value in &all {
            assert_eq!(&decode(&encode(value)).unwrap(), value);
        }
        assert!(decode(&[255]).is_err());
    }
}
