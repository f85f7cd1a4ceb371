//! The native functions of `io.haulier.worker.Native`.

use std::sync::Arc;

use haulier_model::{Digest, Language};
use haulier_protocol::v1;
use haulier_worker::{Delegation, Found, HelloInfo, WorkerClassPath, WorkerProcess};
use jni::{
    Env, EnvUnowned, JValue, jni_sig, jni_str,
    objects::{JByteArray, JClass, JIntArray, JObject, JObjectArray, JString},
    sys::{jint, jlong},
};

use crate::{
    convert,
    failure::{Outcome, native},
    handles::Handles,
    runner::{Interrupter, SlotRunner, TaskLoop},
};

type Texts<'local> = JObjectArray<'local, JString<'local>>;

static WORKERS: Handles<Arc<WorkerProcess>> = Handles::new("worker");
static CLASS_PATHS: Handles<Arc<WorkerClassPath>> = Handles::new("class path");

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_connect<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    control: jint,
    java_version: JString<'local>,
    capabilities: Texts<'local>,
) -> jlong {
    native(env, &class, |env| {
        let hello = HelloInfo {
            language: Language::Java,
            language_version: convert::text(env, &java_version)?,
            capabilities: convert::texts(env, &capabilities)?,
        };
        Ok(WORKERS.open(WorkerProcess::connect(control, hello)?))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_refuse<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    control: jint,
    java_version: JString<'local>,
    problem: JString<'local>,
) {
    native(env, &class, |env| {
        let hello = HelloInfo {
            language: Language::Java,
            language_version: convert::text(env, &java_version)?,
            capabilities: Vec::new(),
        };
        Ok(WorkerProcess::refuse(control, hello, &convert::text(env, &problem)?)?)
    });
}

/// Opens packages of a module to one other module, as `--add-opens` cannot: that opens them to all unnamed modules, the
/// tasks' too. The JVM checks no access for native code.
#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_openPackages<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    module: JObject<'local>,
    packages: Texts<'local>,
    reader: JObject<'local>,
) {
    native(env, &class, |env| {
        for package in convert::texts(env, &packages)? {
            let package = env.new_string(package)?;
            let arguments = [JValue::Object(&package), JValue::Object(&reader)];
            let signature = jni_sig!("(Ljava/lang/String;Ljava/lang/Module;)V");
            env.call_method(&module, jni_str!("implAddOpens"), signature, &arguments)?;
        }
        Ok(())
    });
}

/// The arenas of the C library grow with each large compilation of the JVM, and do not shrink by themselves.
#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_trimMemory<'local>(env: EnvUnowned<'local>, class: JClass<'local>) {
    native(env, &class, |_| {
        #[cfg(target_env = "gnu")]
        // SAFETY: it may be called at any time, from any thread; that nothing could be given back is no failure.
        unsafe {
            libc::malloc_trim(0)
        };
        Ok(())
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_serveControl<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    worker: jlong,
    task_loop: JClass<'local>,
) {
    native(env, &class, |env| {
        let process = WORKERS.get(worker, "serve the control link")?;
        let canceller = Arc::new(Interrupter::new(TaskLoop::new(env, &task_loop)?));
        Ok(process.serve_control(canceller)?)
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_serveSlot<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    worker: jlong,
    slot: jint,
    link: jint,
    task_loop: JClass<'local>,
) {
    native(env, &class, |env| {
        let process = WORKERS.get(worker, "serve a slot")?;
        let task_loop = TaskLoop::new(env, &task_loop)?;
        let slot = u16::try_from(slot)
            .map_err(|_| haulier_model::Error::internal("serve a slot", format!("{slot} is no slot")))?;
        Ok(process.serve_slot(slot, link, &mut SlotRunner::new(env, task_loop))?)
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_openClassPath<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    worker: jlong,
    digest: JByteArray<'local>,
) -> jlong {
    native(env, &class, |env| {
        let digest = Digest::from_slice(&convert::bytes(env, &digest)?)?;
        let process = WORKERS.get(worker, "load code")?;
        Ok(CLASS_PATHS.open(process.class_path(digest)?))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_closeClassPath<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
) {
    native(env, &class, |_| {
        CLASS_PATHS.close(class_path);
        Ok(())
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_delegation<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    name: JString<'local>,
) -> jint {
    native(env, &class, |env| {
        let name = convert::text(env, &name)?;
        // The order of the constants of `io.haulier.worker.Delegation`.
        Ok(match open(class_path)?.delegation(&name) {
            Delegation::ParentOnly => 0,
            Delegation::ParentFirst => 1,
            Delegation::ChildFirst => 2,
            Delegation::ChildOnly => 3,
        })
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_find<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    path: JString<'local>,
    root: JIntArray<'local>,
) -> JByteArray<'local> {
    native(env, &class, |env| {
        let path = convert::text(env, &path)?;
        let found = open(class_path)?.find(&path)?;
        if let Some(found) = &found {
            root.set_region(env, 0, &[index(found.root)])?;
        }
        bytes(env, found)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_findIn<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    root: jint,
    path: JString<'local>,
) -> JByteArray<'local> {
    native(env, &class, |env| {
        let path = convert::text(env, &path)?;
        let found = match usize::try_from(root) {
            Ok(root) => open(class_path)?.find_in(root, &path)?,
            Err(_) => None,
        };
        bytes(env, found)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_roots<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    path: JString<'local>,
) -> JIntArray<'local> {
    native(env, &class, |env| {
        let path = convert::text(env, &path)?;
        let roots: Vec<jint> = open(class_path)?.find_all(&path)?.iter().map(|found| index(found.root)).collect();
        let array = JIntArray::new(env, roots.len())?;
        array.set_region(env, 0, &roots)?;
        Ok(array)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_labels<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
) -> Texts<'local> {
    native(env, &class, |env| convert::string_array(env, open(class_path)?.searched().iter()))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_pathIn<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    root: jint,
    path: JString<'local>,
) -> JString<'local> {
    native(env, &class, |env| {
        let path = convert::text(env, &path)?;
        let found = match usize::try_from(root) {
            Ok(root) => open(class_path)?.path_in(root, &path)?,
            Err(_) => None,
        };
        Ok(match found {
            Some(found) => env.new_string(&*found)?,
            None => JString::default(),
        })
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_signatureFiles<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    root: jint,
) -> Texts<'local> {
    native(env, &class, |env| {
        let class_path = open(class_path)?;
        let files = usize::try_from(root).map_or_else(|_| Vec::new(), |root| class_path.signature_files(root));
        convert::string_array(env, files.into_iter())
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_notFound<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    name: JString<'local>,
) -> JByteArray<'local> {
    native(env, &class, |env| {
        let name = convert::text(env, &name)?;
        let error = open(class_path)?.not_found(&name);
        Ok(env.byte_array_from_slice(&haulier_protocol::errors::encode(&error))?)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_explain<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    class_path: jlong,
    message: JString<'local>,
) -> JString<'local> {
    native(env, &class, |env| {
        let message = convert::text(env, &message)?;
        Ok(env.new_string(open(class_path)?.explain_names_in(&message))?)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_worker_Native_reportLoaders<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    worker: jlong,
    released: jlong,
    collected: jlong,
    leaked: JByteArray<'local>,
    labels: Texts<'local>,
    suspects: Texts<'local>,
    recovered: JByteArray<'local>,
) {
    native(env, &class, |env| {
        let leaked = if leaked.is_null() {
            None
        } else {
            let (loader, labels) = (convert::bytes(env, &leaked)?.into(), convert::texts(env, &labels)?);
            Some(v1::LeakedLoader { loader, labels, suspects: convert::texts(env, &suspects)?, age_ms: 0 })
        };
        let report = v1::LoaderReport {
            released: released.cast_unsigned(),
            collected: collected.cast_unsigned(),
            leaked,
            recovered: convert::bytes(env, &recovered)?.into(),
        };
        Ok(WORKERS.get(worker, "report loaders")?.report_loaders(report)?)
    });
}

fn open(class_path: jlong) -> haulier_model::Result<Arc<WorkerClassPath>> {
    CLASS_PATHS.get(class_path, "load code")
}

fn bytes<'local>(env: &mut Env<'local>, found: Option<Found>) -> Outcome<JByteArray<'local>> {
    Ok(match found {
        Some(found) => env.byte_array_from_slice(found.bytes())?,
        None => JByteArray::default(),
    })
}

/// A class path has far fewer roots than fit.
fn index(root: usize) -> jint {
    jint::try_from(root).unwrap_or(jint::MAX)
}
