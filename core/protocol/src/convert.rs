//! Between generated messages and the types of the model.

use haulier_model::{
    Codec, DeploymentMode, EnvironmentPolicy, Error, ErrorKind, Language, LoadingPolicy, RemoteFailure, Retry, Value,
};

use crate::v1;

macro_rules! same_variants {
    ($model:ty, $proto:ty, [$($variant:ident),*], $default:expr) => {
        impl From<$model> for $proto {
            fn from(value: $model) -> Self {
                match value {
                    $(<$model>::$variant => Self::$variant,)*
                    #[allow(unreachable_patterns)]
                    _ => Self::Unspecified,
                }
            }
        }

        impl From<$proto> for $model {
            fn from(value: $proto) -> Self {
                match value {
                    $(<$proto>::$variant => Self::$variant,)*
                    _ => $default,
                }
            }
        }
    };
}

same_variants!(
    ErrorKind,
    v1::ErrorKind,
    [
        InvalidArgument,
        NotFound,
        Conflict,
        Unavailable,
        DeadlineExceeded,
        Canceled,
        ResourceExhausted,
        PermissionDenied,
        CodeNotFound,
        TaskFailed,
        WorkerLost,
        ResultUnreadable,
        SessionLost,
        Incompatible,
        Closed,
        Internal
    ],
    ErrorKind::Internal
);
same_variants!(Retry, v1::Retry, [Never, Later, Now], Retry::Never);
same_variants!(DeploymentMode, v1::DeploymentMode, [Isolated, Private, Shared, Continuous], DeploymentMode::Private);
same_variants!(EnvironmentPolicy, v1::EnvironmentPolicy, [Check, Build, Ignore], EnvironmentPolicy::Check);
same_variants!(LoadingPolicy, v1::LoadingPolicy, [ParentFirst, ChildFirst, SelfOnly], LoadingPolicy::ChildFirst);

macro_rules! checked_variants {
    ($model:ty, $proto:ty, [$($variant:ident),*], $what:literal) => {
        impl From<$model> for $proto {
            fn from(value: $model) -> Self {
                match value {
                    $(<$model>::$variant => Self::$variant,)*
                }
            }
        }

        impl TryFrom<$proto> for $model {
            type Error = Error;

            fn try_from(value: $proto) -> Result<Self, Error> {
                match value {
                    $(<$proto>::$variant => Ok(Self::$variant),)*
                    _ => Err(Error::new(ErrorKind::InvalidArgument, "read a message", concat!("no ", $what, " was given"))),
                }
            }
        }
    };
}

checked_variants!(Codec, v1::Codec, [Values, Java, Pickle], "codec");
checked_variants!(Language, v1::Language, [Rust, Java, Python], "language");

impl From<&Value> for v1::Value {
    fn from(value: &Value) -> Self {
        use v1::value::Kind;
        let kind = match value {
            Value::Null => Kind::Null(true),
            Value::Boolean(value) => Kind::Boolean(*value),
            Value::Integer(value) => Kind::Integer(*value),
            Value::Float(value) => Kind::Float(*value),
            Value::String(value) => Kind::String(value.clone()),
            Value::Bytes(value) => Kind::Bytes(value.clone().into()),
            Value::List(values) => Kind::List(v1::ListValue { values: values.iter().map(Into::into).collect() }),
            Value::Map(entries) => Kind::Map(v1::MapValue {
                entries: entries
                    .iter()
                    .map(|(key, value)| v1::MapEntry { key: Some(key.into()), value: Some(value.into()) })
                    .collect(),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl From<v1::Value> for Value {
    /// A value without a kind is null: what a newer sender added is not guessed at.
    fn from(value: v1::Value) -> Self {
        use v1::value::Kind;
        match value.kind {
            None | Some(Kind::Null(_)) => Self::Null,
            Some(Kind::Boolean(value)) => Self::Boolean(value),
            Some(Kind::Integer(value)) => Self::Integer(value),
            Some(Kind::Float(value)) => Self::Float(value),
            Some(Kind::String(value)) => Self::String(value),
            Some(Kind::Bytes(value)) => Self::Bytes(value.into()),
            Some(Kind::List(list)) => Self::List(list.values.into_iter().map(Into::into).collect()),
            Some(Kind::Map(map)) => Self::Map(
                map.entries
                    .into_iter()
                    .map(|entry| (entry.key.unwrap_or_default().into(), entry.value.unwrap_or_default().into()))
                    .collect(),
            ),
        }
    }
}

impl From<&Error> for v1::Error {
    fn from(error: &Error) -> Self {
        Self {
            kind: v1::ErrorKind::from(error.kind()).into(),
            retry: v1::Retry::from(error.retry()).into(),
            operation: error.operation().to_owned(),
            message: error.message().to_owned(),
            context: error
                .contexts()
                .iter()
                .map(|(name, value)| v1::ErrorContext { name: name.clone(), value: value.clone() })
                .collect(),
            hint: error.hint_text().to_owned(),
            remote: error.remote().map(Into::into),
        }
    }
}

impl From<Error> for v1::Error {
    fn from(error: Error) -> Self {
        (&error).into()
    }
}

impl From<v1::Error> for Error {
    fn from(error: v1::Error) -> Self {
        let kind = error.kind().into();
        let retry = error.retry().into();
        let mut result = Self::new(kind, error.operation, error.message).hint(error.hint).with_retry(retry);
        for context in error.context {
            result = result.context(context.name, context.value);
        }
        match error.remote {
            Some(remote) => result.with_remote(remote.into()),
            None => result,
        }
    }
}

impl From<&RemoteFailure> for v1::RemoteFailure {
    fn from(failure: &RemoteFailure) -> Self {
        let (codec, payload) = match &failure.object {
            Some((codec, payload)) => (v1::Codec::from(*codec), payload.clone()),
            None => (v1::Codec::Unspecified, Vec::new()),
        };
        Self {
            language: failure.language.map_or(v1::Language::Unspecified, Into::into).into(),
            type_name: failure.type_name.clone(),
            message: failure.message.clone(),
            trace: failure.trace.clone(),
            codec: codec.into(),
            payload: payload.into(),
        }
    }
}

impl From<v1::RemoteFailure> for RemoteFailure {
    fn from(failure: v1::RemoteFailure) -> Self {
        Self {
            language: failure.language().try_into().ok(),
            object: failure.codec().try_into().ok().map(|codec| (codec, failure.payload.to_vec())),
            type_name: failure.type_name,
            message: failure.message,
            trace: failure.trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_travels() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from(v1::ErrorKind::from(kind)), kind);
            assert_ne!(v1::ErrorKind::from(kind), v1::ErrorKind::Unspecified, "{kind:?}");
            assert_eq!(
                v1::ErrorKind::from(kind).as_str_name().replace("ERROR_KIND_", "").replace('_', "").to_lowercase(),
                kind.name().to_lowercase()
            );
        }
    }

    #[test]
    fn errors_travel_whole() {
        let error = Error::new(ErrorKind::TaskFailed, "run a:1 b.C", "boom")
            .hint("look")
            .context("node", "n1")
            .with_retry(Retry::Later)
            .with_remote(RemoteFailure {
                language: Some(Language::Java),
                type_name: "java.lang.Error".into(),
                message: "boom".into(),
                trace: "at b.C".into(),
                object: Some((Codec::Java, vec![1, 2])),
            });
        let back: Error = v1::Error::from(&error).into();
        assert_eq!(back.to_string(), error.to_string());
        assert_eq!((back.kind(), back.retry(), back.remote()), (error.kind(), error.retry(), error.remote()));
    }
}
