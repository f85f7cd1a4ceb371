//! Tasks into the JVM: the static methods of `io.haulier.worker.TaskLoop`.

use bytes::Bytes;
use haulier_model::Error;
use haulier_protocol::v1;
use haulier_worker::{Canceller, Task, TaskOutcome, TaskRunner};
use jni::{
    Env, JValue, JavaVM, jni_sig, jni_str,
    objects::{JByteArray, JClass, JObjectArray, JStaticMethodID},
    refs::Global,
    signature::ReturnType,
    sys::jvalue,
};

use crate::{
    convert,
    failure::{Outcome, into_error},
};

/// More than a call makes.
const LOCAL_REFERENCES: usize = 16;

/// The class that runs tasks, held for the life of the process.
pub(crate) struct TaskLoop {
    class: Global<JClass<'static>>,
    run: JStaticMethodID,
}

impl TaskLoop {
    pub(crate) fn new(env: &mut Env<'_>, class: &JClass<'_>) -> Outcome<Self> {
        let run = env.get_static_method_id(class, jni_str!("run"), jni_sig!("(IJ[B[BZLjava/lang/String;I[BJI)[B"))?;
        Ok(Self { class: env.new_global_ref(class)?, run })
    }
}

/// Runs the tasks of a slot on the slot's own thread.
pub(crate) struct SlotRunner<'env, 'local> {
    env: &'env mut Env<'local>,
    task_loop: TaskLoop,
}

impl<'env, 'local> SlotRunner<'env, 'local> {
    pub(crate) fn new(env: &'env mut Env<'local>, task_loop: TaskLoop) -> Self {
        Self { env, task_loop }
    }
}

impl TaskRunner for SlotRunner<'_, '_> {
    fn run(&mut self, slot: u16, task: &Task) -> TaskOutcome {
        let Self { env, task_loop } = self;
        let answer = env.with_local_frame(LOCAL_REFERENCES, |env| call(env, task_loop, slot, task));
        answer.unwrap_or_else(|failure| {
            // TaskLoop catches whatever a task throws: what is left is the JVM's own end, for example of its memory.
            env.exception_clear();
            TaskOutcome::Failed(into_error(failure).in_operation("run a task"))
        })
    }
}

fn call(env: &mut Env<'_>, task_loop: &TaskLoop, slot: u16, task: &Task) -> Outcome<TaskOutcome> {
    let frame = &task.frame;
    let loader = env.byte_array_from_slice(&frame.loader)?;
    let class_path = env.byte_array_from_slice(&frame.class_path)?;
    let entry_point = env.new_string(&frame.entry_point)?;
    let payload = env.byte_array_from_slice(task.payload())?;
    let arguments = [
        jvalue { i: i32::from(slot) },
        jvalue { j: frame.task_id.cast_signed() },
        jvalue { l: loader.as_raw() },
        jvalue { l: class_path.as_raw() },
        jvalue { z: frame.isolated },
        jvalue { l: entry_point.as_raw() },
        jvalue { i: frame.codec },
        jvalue { l: payload.as_raw() },
        jvalue { j: i64::try_from(frame.deadline_ms).unwrap_or(0) },
        jvalue { i: pack(frame) },
    ];
    // SAFETY: the id was looked up in this class, which is held, with exactly this signature.
    let answer =
        unsafe { env.call_static_method_unchecked(&task_loop.class, task_loop.run, ReturnType::Array, &arguments)? };
    let answer = env.cast_local::<JByteArray>(answer.l()?)?;
    outcome(env, &answer)
}

/// The first byte says the codec, or that the rest is an error.
fn outcome(env: &Env<'_>, answer: &JByteArray<'_>) -> Outcome<TaskOutcome> {
    let mut status = [0];
    answer.get_region(env, 0, &mut status)?;
    let mut payload = vec![0_i8; answer.len(env)? - 1];
    answer.get_region(env, 1, &mut payload)?;
    let payload = unsigned(payload);
    Ok(match status[0] {
        0 => TaskOutcome::Failed(haulier_protocol::errors::decode(&payload)),
        codec => TaskOutcome::Completed { codec: convert::codec(i32::from(codec))?, payload: payload.into() },
    })
}

fn unsigned(bytes: Vec<i8>) -> Vec<u8> {
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    // SAFETY: i8 and u8 have the same size and alignment, and the old vector does not free what the new one owns.
    unsafe { Vec::from_raw_parts(bytes.as_mut_ptr().cast(), bytes.len(), bytes.capacity()) }
}

/// The codecs in which the result can be read, four bits each, the preferred one in the lowest.
fn pack(frame: &v1::TaskFrame) -> i32 {
    frame.result_codecs.iter().take(7).rev().fold(0, |packed, codec| packed << 4 | (codec & 15))
}

/// Interrupts tasks and lets class loaders go.
pub(crate) struct Interrupter {
    task_loop: TaskLoop,
}

impl Interrupter {
    pub(crate) fn new(task_loop: TaskLoop) -> Self {
        Self { task_loop }
    }

    fn call<T>(&self, body: impl FnOnce(&mut Env<'_>) -> Outcome<T>) -> haulier_model::Result<T> {
        let vm = JavaVM::singleton().map_err(|problem| Error::internal("find the JVM", problem.to_string()))?;
        vm.attach_current_thread(body).map_err(into_error)
    }
}

impl Canceller for Interrupter {
    fn cancel(&self, task_id: u64, slot: u16) -> bool {
        let interrupted = self.call(|env| {
            let arguments = [JValue::Long(task_id.cast_signed()), JValue::Int(i32::from(slot))];
            Ok(env.call_static_method(&self.task_loop.class, jni_str!("cancel"), jni_sig!("(JI)Z"), &arguments)?.z()?)
        });
        interrupted.unwrap_or(false)
    }

    fn release(&self, loaders: &[Bytes]) {
        // A loader that cannot be let go stays: that costs memory and nothing else.
        let _ = self.call(|env| {
            let array = JObjectArray::<JByteArray>::new(env, loaders.len(), JByteArray::null())?;
            for (index, loader) in loaders.iter().enumerate() {
                let identity = env.byte_array_from_slice(loader)?;
                array.set_element(env, index, &identity)?;
                env.delete_local_ref(identity);
            }
            let arguments = [JValue::Object(&array)];
            env.call_static_method(&self.task_loop.class, jni_str!("release"), jni_sig!("([[B)V"), &arguments)?;
            Ok(())
        });
    }
}
