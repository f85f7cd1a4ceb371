//! Answers into the JVM: the static methods of `io.haulier.client.NativeCallbacks`.
//!
//! Holds that class as long as somebody waits for an answer or a connection is open, and no longer: a class loader of
//! the application must be able to go.

use std::sync::Arc;

use haulier::{DeployedUnit, Digest, NodeInfo, NodeOutcome};
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

/// The fields of units, in the order of `DeployedUnit`.
pub(crate) fn unit_fields(units: &[DeployedUnit]) -> Vec<String> {
    let fields = |unit: &DeployedUnit| {
        [
            unit.name.clone(),
            unit.version.clone(),
            unit.digest.to_string(),
            unit.state.name().to_owned(),
            unit.size.to_string(),
            unit.entries.to_string(),
            unit.generation.to_string(),
            unit.deployed_at_ms.to_string(),
            unit.deployed_by.clone(),
            unit.sources.join("\n"),
            unit.holders.join("\n"),
        ]
    };
    units.iter().flat_map(fields).collect()
}

/// The fields of nodes, in the order of `NodeInfo`.
pub(crate) fn node_fields(nodes: &[NodeInfo]) -> Vec<String> {
    let fields = |node: &NodeInfo| {
        let held: Vec<String> = node.held_units.iter().map(Digest::to_string).collect();
        [
            node.name.clone(),
            node.address.clone(),
            node.state.name().to_owned(),
            pairs(&node.labels),
            node.version.clone(),
            pairs(node.runtimes.iter().map(|(name, version)| (name, version))),
            node.slots.to_string(),
            node.queued.to_string(),
            node.executing.to_string(),
            held.join("\n"),
            node.local_code.map(|digest| digest.to_string()).unwrap_or_default(),
            node.owns_catalogue.to_string(),
            node.direct.to_string(),
            node.process_id.to_string(),
            node.uptime_seconds.to_string(),
            node.code_round_trips.to_string(),
        ]
    };
    nodes.iter().flat_map(fields).collect()
}

/// One on each line, name=value.
fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("\n")
}
