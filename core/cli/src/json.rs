//! Values as JSON and back.
//!
//! What JSON lacks is written as an object with one key that begins with `$`: `{"$bytes": "00ff"}`,
//! `{"$float": "NaN"}`, `{"$map": [[1, "a"]]}` for keys that are no text.

use haulier::{Error, ErrorKind, Result, Value};
use serde_json::{Map, Number, Value as Json, json};

/// The value for programs.
pub(crate) fn encode(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(value) => {
            Number::from_f64(*value).map_or_else(|| json!({ "$float": value.to_string() }), Json::Number)
        }
        Value::String(value) => value.as_str().into(),
        Value::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "$bytes": hex })
        }
        Value::List(values) => values.iter().map(encode).collect(),
        Value::Map(entries) => encode_map(entries),
    }
}

fn encode_map(entries: &[(Value, Value)]) -> Json {
    let by_text: Option<Map<String, Json>> = entries
        .iter()
        .map(|(key, value)| match key {
            Value::String(key) => Some((key.clone(), encode(value))),
            _ => None,
        })
        .collect();
    match by_text {
        Some(object) if special(&object).is_none() => Json::Object(object),
        _ => {
            let pairs: Json = entries.iter().map(|(key, value)| json!([encode(key), encode(value)])).collect();
            json!({ "$map": pairs })
        }
    }
}

/// The value that was typed.
pub(crate) fn decode(json: Json) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => decode_number(&number)?,
        Json::String(text) => Value::String(text),
        Json::Array(values) => Value::List(values.into_iter().map(decode).collect::<Result<_>>()?),
        Json::Object(object) => match special(&object) {
            Some((name, content)) => decode_special(name, content)?,
            None => {
                let entries = object.into_iter().map(|(key, value)| Ok((Value::String(key), decode(value)?)));
                Value::Map(entries.collect::<Result<_>>()?)
            }
        },
    })
}

fn special(object: &Map<String, Json>) -> Option<(&str, &Json)> {
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((name, content)), None) => name.strip_prefix('$').map(|name| (name, content)),
        _ => None,
    }
}

fn decode_number(number: &Number) -> Result<Value> {
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => Ok(Value::Integer(integer)),
        (None, Some(float)) if !number.is_u64() => Ok(Value::Float(float)),
        _ => Err(invalid(format!("{number} does not fit into 64 bits with a sign"))),
    }
}

fn decode_special(name: &str, content: &Json) -> Result<Value> {
    let wrong = || invalid(format!("{content} is no content of ${name}"));
    match (name, content) {
        ("bytes", Json::String(hex)) if hex.is_ascii() && hex.len() % 2 == 0 => {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| wrong());
            Ok(Value::Bytes((0..hex.len()).step_by(2).map(byte).collect::<Result<_>>()?))
        }
        ("float", Json::String(text)) => text.parse().map(Value::Float).map_err(|_| wrong()),
        ("map", Json::Array(pairs)) => {
            let pair = |pair: &Json| match pair.as_array().map(Vec::as_slice) {
                Some([key, value]) => Ok((decode(key.clone())?, decode(value.clone())?)),
                _ => Err(wrong()),
            };
            Ok(Value::Map(pairs.iter().map(pair).collect::<Result<_>>()?))
        }
        _ => Err(invalid(format!("${name} is not known; $bytes, $float and $map are"))),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "read an argument", message)
        .hint("arguments are JSON: 42 '\"text\"' '[1, 2]'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive() {
        let values = Value::List(vec![
            Value::Null,
            true.into(),
            i64::MIN.into(),
            1.5.into(),
            Value::Float(f64::INFINITY),
            "ü\"".into(),
            vec![0_u8, 255].into(),
            Value::Map(vec![("b".into(), 1.into()), ("a".into(), 2.into())]),
            Value::Map(vec![(1.into(), "x".into())]),
            Value::Map(vec![("$bytes".into(), "00".into())]),
            Value::Map(vec![]),
        ]);
        let text = encode(&values).to_string();
        assert_eq!(decode(serde_json::from_str(&text).unwrap()).unwrap(), values);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in
            ["9223372036854775808", r#"{"$bytes":"0"}"#, r#"{"$bytes":"zz"}"#, r#"{"$what":1}"#, r#"{"$map":[1]}"#]
        {
            let error = decode(serde_json::from_str(text).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
