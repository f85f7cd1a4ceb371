//! Arguments and results: strings, bytes and arrays between Java and Rust.

use std::collections::BTreeMap;

use haulier::DeployProgress;
use haulier_model::{Codec, Error, ErrorKind};
use jni::{
    Env,
    objects::{JByteArray, JObjectArray, JString},
};

use crate::failure::Outcome;

/// A text; null is empty.
pub(crate) fn text(env: &Env<'_>, string: &JString<'_>) -> Outcome<String> {
    Ok(if string.is_null() { String::new() } else { string.try_to_string(env)? })
}

/// Texts; null is none.
pub(crate) fn texts<'local>(
    env: &mut Env<'local>,
    array: &JObjectArray<'local, JString<'local>>,
) -> Outcome<Vec<String>> {
    if array.is_null() {
        return Ok(Vec::new());
    }
    let length = array.len(env)?;
    let mut texts = Vec::with_capacity(length);
    for index in 0..length {
        let string = array.get_element(env, index)?;
        texts.push(text(env, &string)?);
        env.delete_local_ref(string);
    }
    Ok(texts)
}

/// Names and values that come in turns; null is none.
pub(crate) fn pairs<'local>(
    env: &mut Env<'local>,
    array: &JObjectArray<'local, JString<'local>>,
) -> Outcome<BTreeMap<String, String>> {
    let mut texts = texts(env, array)?.into_iter();
    Ok(std::iter::from_fn(|| Some((texts.next()?, texts.next()?))).collect())
}

/// Bytes; null is none.
pub(crate) fn bytes(env: &Env<'_>, array: &JByteArray<'_>) -> Outcome<Vec<u8>> {
    Ok(if array.is_null() { Vec::new() } else { env.convert_byte_array(array)? })
}

/// A Java array of texts.
pub(crate) fn string_array<'local>(
    env: &mut Env<'local>,
    texts: impl ExactSizeIterator<Item = impl AsRef<str>>,
) -> Outcome<JObjectArray<'local, JString<'local>>> {
    let array = JObjectArray::<JString>::new(env, texts.len(), JString::null())?;
    for (index, text) in texts.enumerate() {
        let string = env.new_string(text)?;
        array.set_element(env, index, &string)?;
        env.delete_local_ref(string);
    }
    Ok(array)
}

/// The protocol's number of a codec.
pub(crate) const fn codec_number(codec: Codec) -> i32 {
    match codec {
        Codec::Values => 1,
        Codec::Java => 2,
        Codec::Pickle => 3,
    }
}

/// The codec with the protocol's number.
pub(crate) fn codec(number: i32) -> Outcome<Codec> {
    match number {
        1 => Ok(Codec::Values),
        2 => Ok(Codec::Java),
        3 => Ok(Codec::Pickle),
        other => Err(Error::new(ErrorKind::InvalidArgument, "read a codec", format!("{other} is no codec")).into()),
    }
}

/// Codecs in one number, four bits each, the first in the lowest.
pub(crate) fn codecs(mut packed: i32) -> Outcome<Vec<Codec>> {
    let mut codecs = Vec::new();
    while packed != 0 {
        codecs.push(codec(packed & 15)?);
        packed >>= 4;
    }
    Ok(codecs)
}

/// The ordinal of a step in `DeployProgress.Step`, with what is done of it and the whole, in bytes.
pub(crate) const fn progress(now: DeployProgress) -> (i32, u64, u64) {
    match now {
        DeployProgress::Reading => (0, 0, 0),
        DeployProgress::Fetching { done, total } => (1, done, total),
        DeployProgress::Sending { sent, total } => (2, sent, total),
        DeployProgress::Publishing => (3, 0, 0),
        _ => (4, 0, 0),
    }
}
