//! The native functions of `io.haulier.client.Native`.

use std::{sync::Arc, time::Duration};

use haulier::{
    Cluster, CodeReference, CodeScope, ConnectOptions, DeploymentMode, Language, LoadingPolicy, RootKind, Submission,
    Target, TaskId, runtime,
};
use haulier_model::{Error, ErrorKind, Result};
use jni::{
    EnvUnowned,
    objects::{JByteArray, JClass, JObjectArray, JString},
    sys::{jboolean, jint, jlong},
};
use parking_lot::RwLock;

use crate::{
    callbacks::Callbacks,
    convert, deployments,
    failure::{Outcome, native},
    handles::Handles,
    questions,
    threads::Use,
};

pub(crate) type Texts<'local> = JObjectArray<'local, JString<'local>>;

pub(crate) static CONNECTIONS: Handles<Arc<Connection>> = Handles::new("connection");
static SCOPES: Handles<Arc<Scope>> = Handles::new("connection");

/// A cluster, and the way back to those who wait for it.
pub(crate) struct Connection {
    pub(crate) cluster: Cluster,
    pub(crate) callbacks: Arc<Callbacks>,
    /// The last field: the runtime may end only after all else of the connection.
    _running: Use,
}

/// The code of one class loader, and the sets of classes that its tasks begin with.
struct Scope {
    connection: jlong,
    code: Arc<CodeScope>,
    starts: RwLock<Vec<Arc<[String]>>>,
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_connect<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    callbacks: JClass<'local>,
    address: JString<'local>,
    token: JString<'local>,
    certificate: JString<'local>,
    mode: jint,
    timeout_millis: jlong,
    java_version: JString<'local>,
    denied: Texts<'local>,
) -> jlong {
    native(env, &class, |env| {
        let running = Use::begin();
        let mut options = ConnectOptions::new(convert::text(env, &address)?)
            .mode(deployment_mode(mode)?)
            .language(Language::Java, convert::text(env, &java_version)?)
            .connect_timeout(millis(timeout_millis).unwrap_or_default())
            .deny(convert::texts(env, &denied)?);
        let token = convert::text(env, &token)?;
        if !token.is_empty() {
            options = options.token(token);
        }
        let certificate = convert::text(env, &certificate)?;
        if !certificate.is_empty() {
            options = options.ca_certificate(certificate);
        }
        let callbacks = Callbacks::new(env, &callbacks)?;
        let cluster = runtime::block_on(options.connect())??;
        Ok(CONNECTIONS.open(Arc::new(Connection { cluster, callbacks, _running: running })))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_close<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    connection: jlong,
) {
    native(env, &class, |_| {
        if let Some(closed) = CONNECTIONS.close(connection) {
            SCOPES.close_all(|scope| scope.connection == connection);
            deployments::stop_all(connection);
            runtime::block_on(closed.cluster.close())?;
        }
        Ok(())
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_openScope<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    connection: jlong,
    roots: Texts<'local>,
) -> jlong {
    native(env, &class, |env| {
        let roots = convert::texts(env, &roots)?.into_iter().map(Into::into).collect();
        let open = CONNECTIONS.get(connection, "send code")?;
        let code = open.cluster.code_scope(RootKind::Jvm, roots);
        Ok(SCOPES.open(Arc::new(Scope { connection, code, starts: RwLock::default() })))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_closeScope<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    scope: jlong,
) {
    native(env, &class, |_| {
        // With a connection all its scopes are closed.
        if let Some(scope) = SCOPES.close(scope)
            && let Ok(open) = CONNECTIONS.get(scope.connection, "close a scope")
        {
            open.cluster.close_scope(&scope.code);
        }
        Ok(())
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_refreshScope<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    scope: jlong,
) {
    native(env, &class, |_| {
        SCOPES.get(scope, "send code")?.code.refresh();
        Ok(())
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_addStart<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    scope: jlong,
    class_names: Texts<'local>,
) -> jint {
    native(env, &class, |env| {
        let names = convert::texts(env, &class_names)?;
        let scope = SCOPES.get(scope, "send code")?;
        let mut starts = scope.starts.write();
        starts.push(names.into());
        jint::try_from(starts.len() - 1)
            .map_err(|_| Error::new(ErrorKind::ResourceExhausted, "send code", "too many sets of classes").into())
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_submit<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    connection: jlong,
    callback: jlong,
    scope: jlong,
    start: jint,
    units: Texts<'local>,
    entry_point: JString<'local>,
    codec: jint,
    payload: JByteArray<'local>,
    target: jint,
    name: JString<'local>,
    labels: Texts<'local>,
    failover: jboolean,
    mode: jint,
    policy: jint,
    parent_prefixes: Texts<'local>,
    deadline_millis: jlong,
    result_codecs: jint,
) -> jlong {
    native(env, &class, |env| {
        let open = CONNECTIONS.get(connection, "submit a task")?;
        let entry_point = convert::text(env, &entry_point)?;
        let target = match target {
            0 => Target::Any,
            1 => Target::Node(convert::text(env, &name)?),
            2 => Target::All,
            3 => Target::Key(convert::text(env, &name)?),
            other => return Err(Error::internal("submit a task", format!("{other} is no target")).into()),
        };
        let everywhere = target == Target::All;
        let language = if entry_point.is_empty() { Language::Java } else { Language::of_entry_point(&entry_point) };
        let units = convert::texts(env, &units)?;
        let submission = Submission {
            code: code(&open.cluster, &units, scope, start)?,
            units,
            payload: convert::bytes(env, &payload)?.into(),
            target,
            labels: convert::pairs(env, &labels)?,
            failover,
            mode: if mode == 0 { None } else { Some(deployment_mode(mode)?) },
            policy: loading_policy(policy)?,
            parent_prefixes: convert::texts(env, &parent_prefixes)?,
            deadline: millis(deadline_millis),
            result_codecs: convert::codecs(result_codecs)?,
            ..Submission::new(language, entry_point, convert::codec(codec)?)
        };
        let callbacks = open.callbacks.clone();
        let completion: haulier::Completion = if everywhere {
            Box::new(move |end| callbacks.broadcast(callback, end))
        } else {
            Box::new(move |end| callbacks.task(callback, end))
        };
        let task = open.cluster.submit(submission, completion)?;
        Ok(task.0.cast_signed())
    })
}

/// Sends what the node lacks of the code that a task begins with. Units may have all of it: where no code is taken, the
/// task goes with them alone.
fn code(cluster: &Cluster, units: &[String], scope: jlong, start: jint) -> Result<Option<CodeReference>> {
    if scope == 0 || !(cluster.peer_loading() || units.is_empty()) {
        return Ok(None);
    }
    let scope = SCOPES.get(scope, "send code")?;
    let names = usize::try_from(start).ok().and_then(|start| scope.starts.read().get(start).cloned());
    let names = names.ok_or_else(|| Error::internal("send code", format!("{start} is no set of classes")))?;
    scope.code.prepare(&names).map(Some)
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_cancel<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    connection: jlong,
    task: jlong,
    force: jboolean,
) {
    native(env, &class, |_| {
        // The tasks of a closed connection are cancelled already.
        if let Ok(open) = CONNECTIONS.get(connection, "cancel a task") {
            open.cluster.cancel(TaskId(task.cast_unsigned()), force)?;
        }
        Ok(())
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_ask<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    connection: jlong,
    callback: jlong,
    question: jint,
    arguments: Texts<'local>,
) {
    native(env, &class, |env| {
        let open = CONNECTIONS.get(connection, "ask a node")?;
        let asked = questions::ask(open.cluster.clone(), question, convert::texts(env, &arguments)?);
        let callbacks = open.callbacks.clone();
        runtime::handle()?.spawn(async move { callbacks.records(callback, asked.await) });
        Ok(())
    });
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_sessionId<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    connection: jlong,
) -> JString<'local> {
    native(env, &class, |env| {
        let open = CONNECTIONS.get(connection, "name the session")?;
        Ok(env.new_string(open.cluster.session_id())?)
    })
}

fn deployment_mode(number: jint) -> Outcome<DeploymentMode> {
    match number {
        1 => Ok(DeploymentMode::Isolated),
        2 => Ok(DeploymentMode::Private),
        3 => Ok(DeploymentMode::Shared),
        4 => Ok(DeploymentMode::Continuous),
        other => Err(Error::new(ErrorKind::InvalidArgument, "connect", format!("{other} is no mode")).into()),
    }
}

/// The ordinal of `io.haulier.api.LoadingPolicy`.
fn loading_policy(ordinal: jint) -> Outcome<LoadingPolicy> {
    match ordinal {
        0 => Ok(LoadingPolicy::ParentFirst),
        1 => Ok(LoadingPolicy::ChildFirst),
        2 => Ok(LoadingPolicy::SelfOnly),
        other => Err(Error::internal("submit a task", format!("{other} is no policy")).into()),
    }
}

/// A time in milliseconds; none if it is not positive.
fn millis(millis: jlong) -> Option<Duration> {
    u64::try_from(millis).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
}
