//! The native functions of deployments: begin one, and stop it.

use haulier::{MavenOptions, runtime};
use haulier_model::{Error, ErrorKind};
use jni::{
    EnvUnowned,
    objects::{JClass, JString},
    sys::{jboolean, jlong},
};
use tokio::task::{AbortHandle, JoinError};

use crate::{
    client::{CONNECTIONS, Texts},
    convert,
    failure::native,
    handles::Handles,
    records,
};

/// Deployments that are under way.
static DEPLOYMENTS: Handles<Running> = Handles::new("deployment");

#[derive(Clone)]
struct Running {
    connection: jlong,
    stop: AbortHandle,
}

/// Stops the deployments of a connection, which was closed.
pub(crate) fn stop_all(connection: jlong) {
    for running in DEPLOYMENTS.close_all(|running| running.connection == connection) {
        running.stop.abort();
    }
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_deploy<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    connection: jlong,
    callback: jlong,
    name: JString<'local>,
    version: JString<'local>,
    sources: Texts<'local>,
    replace: jboolean,
    opaque: jboolean,
    nodes: JString<'local>,
    sha256: JString<'local>,
    dependencies: jboolean,
    include: Texts<'local>,
    exclude: Texts<'local>,
    repositories: Texts<'local>,
    requirements: Texts<'local>,
) -> jlong {
    native(env, &class, |env| {
        let open = CONNECTIONS.get(connection, "deploy a unit")?;
        let maven = MavenOptions {
            no_dependencies: !dependencies,
            include: convert::texts(env, &include)?,
            exclude: convert::texts(env, &exclude)?,
            repositories: convert::texts(env, &repositories)?,
        };
        let callbacks = open.callbacks.clone();
        let deploy = open
            .cluster
            .deploy(convert::text(env, &name)?, convert::text(env, &version)?)
            .replace(replace)
            .opaque(opaque)
            .nodes(convert::text(env, &nodes)?)
            .sha256(convert::text(env, &sha256)?)
            .maven(maven)
            .progress(move |now| callbacks.progress(callback, now));
        let deploy = convert::texts(env, &sources)?.into_iter().fold(deploy, haulier::Deploy::source);
        let deploy = convert::texts(env, &requirements)?.into_iter().fold(deploy, haulier::Deploy::requirements);
        let running = runtime::handle()?.spawn(deploy.send());
        let listed = Listed(DEPLOYMENTS.open(Running { connection, stop: running.abort_handle() }));
        let (deployment, callbacks) = (listed.0, open.callbacks.clone());
        runtime::handle()?.spawn(async move {
            let end = running.await.unwrap_or_else(|problem| Err(why(&problem, connection)));
            drop(listed);
            callbacks.records(callback, end.map(|unit| records::units(&[unit])));
        });
        Ok(deployment)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_haulier_client_Native_stopDeployment<'local>(
    env: EnvUnowned<'local>,
    class: JClass<'local>,
    deployment: jlong,
) {
    native(env, &class, |_| {
        // One that has ended is known no more.
        if let Some(running) = DEPLOYMENTS.close(deployment) {
            running.stop.abort();
        }
        Ok(())
    });
}

/// A deployment that can be stopped, as long as this lives.
struct Listed(jlong);

impl Drop for Listed {
    fn drop(&mut self) {
        DEPLOYMENTS.close(self.0);
    }
}

fn why(problem: &JoinError, connection: jlong) -> Error {
    if !problem.is_cancelled() {
        return Error::internal("deploy a unit", problem.to_string());
    }
    let canceled = Error::new(ErrorKind::Canceled, "deploy a unit", "the deployment was cancelled");
    CONNECTIONS.get(connection, "deploy a unit").err().unwrap_or(canceled)
}
