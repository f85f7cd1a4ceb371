//! Commands that talk to a cluster.

mod deploy;
mod download;
mod explain;
mod loaders;
mod nodes;
mod run;
mod sessions;
mod units;
mod watches;

use std::process::ExitCode;

use haulier::{Cluster, ConnectOptions, Result};
use tracing_subscriber::EnvFilter;

use crate::{
    arguments::{ClientCommand, Connection},
    failure::Failure,
};

/// Runs a command to its end or to Ctrl-C.
pub(crate) fn run(command: ClientCommand) -> ExitCode {
    let format = command.connection().output;
    let filter = EnvFilter::try_from_env("HAULIER_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let result = haulier::runtime::block_on(connected(command));
    match result.map_err(Failure::from).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(format),
    }
}

async fn connected(command: ClientCommand) -> Result<(), Failure> {
    let command = run::read_arguments(command)?;
    let cluster = connect(command.connection()).await?;
    let result = tokio::select! {
        result = perform(&cluster, command) => result,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    };
    cluster.close().await;
    result
}

async fn connect(connection: &Connection) -> Result<Cluster> {
    let mut options = ConnectOptions::new(&connection.address);
    if let Some(token) = &connection.token {
        options = options.token(token);
    }
    if let Some(path) = &connection.tls_ca {
        options = options.ca_file(path)?;
    }
    options.connect().await
}

async fn perform(cluster: &Cluster, command: run::Ready) -> Result<(), Failure> {
    match command {
        run::Ready::Run(arguments, values) => return run::run(cluster, arguments, values).await,
        run::Ready::Other(command) => match command {
            ClientCommand::Deploy(arguments) => deploy::deploy(cluster, arguments).await?,
            ClientCommand::Undeploy(arguments) => units::undeploy(cluster, arguments).await?,
            ClientCommand::ListDeployments(arguments) => units::list(cluster, arguments).await?,
            ClientCommand::Alias(arguments) => units::alias(cluster, arguments).await?,
            ClientCommand::Wait(arguments) => units::wait(cluster, arguments).await?,
            ClientCommand::Promote(arguments) => sessions::promote(cluster, arguments).await?,
            ClientCommand::Sessions(arguments) if arguments.loaders => {
                loaders::list(cluster, arguments.connection.output).await?;
            }
            ClientCommand::Sessions(arguments) => sessions::list(cluster, arguments.connection.output).await?,
            ClientCommand::Gc(arguments) => units::collect_garbage(cluster, arguments).await?,
            ClientCommand::Watch(watch) => watches::watch(cluster, watch).await?,
            ClientCommand::Inspect(arguments) => units::inspect(cluster, arguments).await?,
            ClientCommand::Explain(arguments) => explain::explain(cluster, arguments).await?,
            ClientCommand::Download(arguments) => download::download(cluster, arguments).await?,
            ClientCommand::Nodes(arguments) => nodes::list(cluster, arguments.connection.output).await?,
            ClientCommand::Drain(arguments) => nodes::drain(cluster, arguments).await?,
            ClientCommand::Run(arguments) => return run::run(cluster, arguments, Vec::new()).await,
        },
    }
    Ok(())
}
