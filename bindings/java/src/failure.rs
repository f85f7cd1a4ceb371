//! Errors and panics of native functions as `HaulierException`.

use std::any::Any;

use haulier_model::Error;
use jni::{
    Env, EnvUnowned, JValue,
    errors::{Error as JniError, ErrorPolicy},
    jni_sig, jni_str,
    objects::{JClass, JThrowable},
};

/// Why a native function failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error for the caller.
    Core(Error),
    /// A call into the JVM failed; if it left an exception, that is for the caller.
    Jvm(JniError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<JniError> for Failure {
    fn from(error: JniError) -> Self {
        Self::Jvm(error)
    }
}

/// The result of a native function.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Runs the body of a native function. What goes wrong is thrown by `class`, which has the static method
/// `exception(byte[])`.
pub(crate) fn native<'local, T, F>(mut env: EnvUnowned<'local>, class: &JClass<'local>, body: F) -> T
where
    T: Default,
    F: FnOnce(&mut Env<'local>) -> Outcome<T>,
{
    env.with_env(body).resolve_with::<Throw, _>(|| class)
}

/// Throws a `HaulierException` and returns a default value.
struct Throw;

impl<T: Default> ErrorPolicy<T, Failure> for Throw {
    type Captures<'unowned: 'native, 'native> = &'native JClass<'unowned>;

    fn on_error<'unowned: 'native, 'native>(
        env: &mut Env<'unowned>,
        class: &mut Self::Captures<'unowned, 'native>,
        failure: Failure,
    ) -> jni::errors::Result<T> {
        if !env.exception_check() {
            throw(env, class, &into_error(failure))?;
        }
        Ok(T::default())
    }

    fn on_panic<'unowned: 'native, 'native>(
        env: &mut Env<'unowned>,
        class: &mut Self::Captures<'unowned, 'native>,
        payload: Box<dyn Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        if !env.exception_check() {
            throw(env, class, &Error::internal("run native code", panic_text(payload.as_ref())))?;
        }
        Ok(T::default())
    }
}

/// The error in a failure.
pub(crate) fn into_error(failure: Failure) -> Error {
    match failure {
        Failure::Core(error) => error,
        Failure::Jvm(problem) => Error::internal("call into the JVM", problem.to_string()),
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("a panic: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

fn throw(env: &mut Env<'_>, class: &JClass<'_>, error: &Error) -> jni::errors::Result<()> {
    let bytes = env.byte_array_from_slice(&haulier_protocol::errors::encode(error))?;
    let signature = jni_sig!("([B)Lio/haulier/api/HaulierException;");
    let exception = env.call_static_method(class, jni_str!("exception"), signature, &[JValue::Object(&bytes)])?.l()?;
    let exception = env.cast_local::<JThrowable>(exception)?;
    match env.throw(exception) {
        // This is how the binding says that an exception is pending now, which is what is wanted.
        Ok(()) | Err(JniError::JavaException) => Ok(()),
        Err(problem) => Err(problem),
    }
}
