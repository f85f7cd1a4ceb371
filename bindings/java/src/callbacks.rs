//! Answers into the JVM: the static methods of `io.haulier.client.NativeCallbacks`.
//!
//! Holds that class as long as somebody waits for an answer or a connection is open, and no longer: a class loader of
//! the application must be able to go.

use std::sync::Arc;

use haulier::{DeployProgress, NodeOutcome};
use haulier_model::{Error, Result};
use jni::{
    Env, JValue, JavaVM, jni_sig, jni_str,
    objects::{JByteArray, JClass, JIntArray, JObjectArray, JStaticMethodID},
    refs::Global,
    signature::{Primitive, ReturnType},
    sys::jvalue,
};

use crate::{convert, failure::Outcome};

/// The way back to the classes of one class loader.
pub(crate) struct Callbacks {
    vm: JavaVM,
    class: Global<JClass<'static>>,
    completed: JStaticMethodID,
}

impl Callbacks {
    pub(crate) fn new(env: &mut Env<'_>, class: &JClass<'_>) -> Outcome<Arc<Self>> {
        let completed = env.get_static_method_id(class, jni_str!("completed"), jni_sig!("(JI[B[B)V"))?;
        Ok(Arc::new(Self { vm: env.get_java_vm()?, class: env.new_global_ref(class)?, completed }))
    }

    /// The end of a task with one outcome.
    pub(crate) fn task(&self, callback: i64, end: Result<Vec<NodeOutcome>>) {
        self.call(callback, |env| match end {
            Ok(mut outcomes) if outcomes.len() == 1 => {
                let outcome = outcomes.remove(0);
                self.completed(env, callback, &outcome)
            }
            Ok(outcomes) => {
                let error = Error::internal("run a task", format!("{} nodes answered", outcomes.len()));
                self.failed(env, callback, &error)
            }
            Err(error) => self.failed(env, callback, &error),
        });
    }

    /// The end of a broadcast.
    pub(crate) fn broadcast(&self, callback: i64, end: Result<Vec<NodeOutcome>>) {
        self.call(callback, |env| match end {
            Ok(outcomes) => self.outcomes(env, callback, &outcomes),
            Err(error) => self.failed(env, callback, &error),
        });
    }

    /// Records as their fields, one after the other.
    pub(crate) fn records(&self, callback: i64, fields: Result<Vec<String>>) {
        self.call(callback, |env| match fields {
            Ok(fields) => {
                let array = convert::string_array(env, fields.iter())?;
                let arguments = [JValue::Long(callback), JValue::Object(&array)];
                env.call_static_method(
                    &self.class,
                    jni_str!("records"),
                    jni_sig!("(J[Ljava/lang/String;)V"),
                    &arguments,
                )?;
                Ok(())
            }
            Err(error) => self.failed(env, callback, &error),
        });
    }

    /// How far a deployment is. What cannot be brought is left out: the next step says more.
    pub(crate) fn progress(&self, callback: i64, now: DeployProgress) {
        let (step, done, total) = convert::progress(now);
        let amount = |bytes: u64| JValue::Long(i64::try_from(bytes).unwrap_or(i64::MAX));
        let arguments = [JValue::Long(callback), JValue::Int(step), amount(done), amount(total)];
        let signature = jni_sig!("(JIJJ)V");
        let _ = self.vm.attach_current_thread(|env| -> Outcome<()> {
            env.call_static_method(&self.class, jni_str!("progress"), signature, &arguments)?;
            Ok(())
        });
    }

    /// Runs `answer` on this thread as one of the JVM. If it cannot be brought, the waiting future gets a failure.
    fn call(&self, callback: i64, answer: impl FnOnce(&mut Env<'_>) -> Outcome<()>) {
        let brought = self.vm.attach_current_thread(answer);
        if let Err(failure) = brought {
            let error = crate::failure::into_error(failure).in_operation("bring an answer into the JVM");
            // If not even this works, the JVM is out of memory or going down: nobody is left to tell.
            let _ = self.vm.attach_current_thread(|env| self.failed(env, callback, &error));
        }
    }

    fn completed(&self, env: &mut Env<'_>, callback: i64, outcome: &NodeOutcome) -> Outcome<()> {
        let (codec, payload, error) = match &outcome.result {
            Ok(output) => {
                let payload = env.byte_array_from_slice(&output.payload)?;
                (convert::codec_number(output.codec), payload, JByteArray::null())
            }
            Err(error) => (0, JByteArray::null(), env.byte_array_from_slice(&encode(error, &outcome.node))?),
        };
        let arguments =
            [jvalue { j: callback }, jvalue { i: codec }, jvalue { l: payload.as_raw() }, jvalue { l: error.as_raw() }];
        // SAFETY: the id was looked up in this class, which is held, with exactly this signature.
        unsafe {
            env.call_static_method_unchecked(
                &self.class,
                self.completed,
                ReturnType::Primitive(Primitive::Void),
                &arguments,
            )?;
        }
        Ok(())
    }

    fn outcomes(&self, env: &mut Env<'_>, callback: i64, outcomes: &[NodeOutcome]) -> Outcome<()> {
        let nodes = convert::string_array(env, outcomes.iter().map(|outcome| &outcome.node))?;
        let codecs = JIntArray::new(env, outcomes.len())?;
        let payloads = JObjectArray::<JByteArray>::new(env, outcomes.len(), JByteArray::null())?;
        let errors = JObjectArray::<JByteArray>::new(env, outcomes.len(), JByteArray::null())?;
        for (index, outcome) in outcomes.iter().enumerate() {
            match &outcome.result {
                Ok(output) => {
                    let payload = env.byte_array_from_slice(&output.payload)?;
                    payloads.set_element(env, index, &payload)?;
                    let at = i32::try_from(index).unwrap_or(i32::MAX);
                    codecs.set_region(env, at, &[convert::codec_number(output.codec)])?;
                }
                Err(error) => {
                    let error = env.byte_array_from_slice(&encode(error, &outcome.node))?;
                    errors.set_element(env, index, &error)?;
                }
            }
        }
        let arguments = [
            JValue::Long(callback),
            JValue::Object(&nodes),
            JValue::Object(&codecs),
            JValue::Object(&payloads),
            JValue::Object(&errors),
        ];
        let signature = jni_sig!("(J[Ljava/lang/String;[I[[B[[B)V");
        env.call_static_method(&self.class, jni_str!("outcomes"), signature, &arguments)?;
        Ok(())
    }

    fn failed(&self, env: &mut Env<'_>, callback: i64, error: &Error) -> Outcome<()> {
        let bytes = env.byte_array_from_slice(&haulier_protocol::errors::encode(error))?;
        let arguments = [JValue::Long(callback), JValue::Object(&bytes)];
        env.call_static_method(&self.class, jni_str!("failed"), jni_sig!("(J[B)V"), &arguments)?;
        Ok(())
    }
}

/// An error of a task says on which node it happened.
fn encode(error: &Error, node: &str) -> Vec<u8> {
    let named = node.is_empty() || error.contexts().iter().any(|(name, _)| name == "node");
    let error = if named { error.clone() } else { error.clone().context("node", node) };
    haulier_protocol::errors::encode(&error)
}
