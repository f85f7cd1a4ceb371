//! Reading values: from a [`Value`] to types of Rust, never rounded, never cut.

use std::{any::Any, convert::Infallible};

use crate::{Error, ErrorKind, Value};

impl From<Infallible> for Error {
    /// For generic code: a [`Value`] read as a [`Value`] cannot fail.
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn mismatch(value: &Value, wanted: &str) -> Error {
    let shown = match value {
        Value::Integer(number) => format!("the integer {number}"),
        other => format!("a value of kind {}", other.kind()),
    };
    Error::new(ErrorKind::ResultUnreadable, "read a value", format!("{shown} is not {wanted}"))
        .hint("ask for another type, or for haulier::Value and look at it")
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl TryFrom<Value> for $type {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self, Error> {
                match value {
                    Value::Integer(number) => number.try_into().map_err(|_| mismatch(&value, stringify!($type))),
                    other => Err(mismatch(&other, stringify!($type))),
                }
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize, isize);

impl TryFrom<Value> for f64 {
    type Error = Error;

    /// Integers are taken where a float can hold them exactly.
    fn try_from(value: Value) -> Result<Self, Error> {
        match value {
            Value::Float(number) => Ok(number),
            Value::Integer(number) if number.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS => Ok(number as f64),
            other => Err(mismatch(&other, "f64")),
        }
    }
}

macro_rules! variants {
    ($($type:ty => $variant:ident),*) => {$(
        impl TryFrom<Value> for $type {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self, Error> {
                match value {
                    Value::$variant(inner) => Ok(inner),
                    other => Err(mismatch(&other, stringify!($type))),
                }
            }
        }
    )*};
}

variants!(bool => Boolean, String => String, Vec<(Value, Value)> => Map);

impl TryFrom<Value> for () {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self, Error> {
        match value {
            Value::Null => Ok(()),
            other => Err(mismatch(&other, "()")),
        }
    }
}

impl<T> TryFrom<Value> for Vec<T>
where
    T: TryFrom<Value, Error: Into<Error>> + 'static,
{
    type Error = Error;

    /// A list of what `T` reads; `Vec<u8>` reads bytes as well.
    fn try_from(value: Value) -> Result<Self, Error> {
        match value {
            Value::List(values) => values.into_iter().map(|value| T::try_from(value).map_err(Into::into)).collect(),
            Value::Bytes(bytes) => {
                let mut bytes = Some(bytes);
                match (&mut bytes as &mut dyn Any).downcast_mut::<Option<Self>>().and_then(Option::take) {
                    Some(bytes) => Ok(bytes),
                    None => Err(mismatch(&Value::Bytes(Vec::new()), std::any::type_name::<Self>())),
                }
            }
            other => Err(mismatch(&other, std::any::type_name::<Self>())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_read_and_nothing_else() {
        assert_eq!(i64::try_from(Value::from(7)).unwrap(), 7);
        assert_eq!(f64::try_from(Value::from(7)).unwrap(), 7.0);
        assert_eq!(Vec::<u8>::try_from(Value::Bytes(vec![1, 2])).unwrap(), [1, 2]);
        assert_eq!(Vec::<u8>::try_from(Value::List(vec![1.into()])).unwrap(), [1]);
        assert_eq!(Vec::<Value>::try_from(Value::List(vec![().into()])).unwrap(), [Value::Null]);
        <()>::try_from(Value::Null).unwrap();
        assert_eq!(String::try_from(Value::from("a")).unwrap(), "a");
        assert!(i8::try_from(Value::from(300)).is_err() && i64::try_from(Value::from(1.0)).is_err());
        assert!(f64::try_from(Value::from(i64::MAX)).is_err());
        let error = Vec::<i64>::try_from(Value::Bytes(vec![1])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultUnreadable);
    }
}
