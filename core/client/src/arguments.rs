//! What a call takes.

use haulier_model::Value;

/// The arguments of a named task: one value, a tuple of values, `()` for none, or a `Vec<Value>` of all of them.
///
/// ```
/// use haulier::{IntoArguments, Value};
///
/// assert_eq!(42.into_arguments(), [Value::from(42)]);
/// assert_eq!(("EUR", 42).into_arguments(), [Value::from("EUR"), Value::from(42)]);
/// assert!(().into_arguments().is_empty());
/// ```
pub trait IntoArguments {
    /// The values in order.
    fn into_arguments(self) -> Vec<Value>;
}

macro_rules! single {
    ($($type:ty),*) => {$(
        impl IntoArguments for $type {
            fn into_arguments(self) -> Vec<Value> {
                vec![self.into()]
            }
        }
    )*};
}

single!(bool, i8, i16, i32, i64, u8, u16, u32, f32, f64, String, &str, Vec<u8>, &[u8], Value);

macro_rules! tuple {
    ($($name:ident),*) => {
        impl<$($name: Into<Value>),*> IntoArguments for ($($name,)*) {
            fn into_arguments(self) -> Vec<Value> {
                #[allow(non_snake_case)]
                let ($($name,)*) = self;
                vec![$($name.into()),*]
            }
        }
    };
}

tuple!(A);
tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);

impl IntoArguments for () {
    fn into_arguments(self) -> Vec<Value> {
        Vec::new()
    }
}

impl IntoArguments for Vec<Value> {
    fn into_arguments(self) -> Vec<Value> {
        self
    }
}

impl<const N: usize> IntoArguments for [Value; N] {
    fn into_arguments(self) -> Vec<Value> {
        self.into()
    }
}
