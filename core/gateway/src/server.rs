//! The gateway as a whole: takes connections until it is told to stop, then lets what is under way come to its end.

use std::{sync::Arc, time::Duration};

use haulier_model::{Error, ErrorKind, Result};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    connection::{Acceptor, Connection},
    engine::UnitEngine,
    options::{CONNECTIONS, GatewayOptions, UPLOADS},
    routes, upload,
};

/// For how long no connection is taken after the system could not give one: too many open files, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For how long what was cut may take to clean up behind itself.
const CLEANUP: Duration = Duration::from_secs(2);

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) engine: Arc<dyn UnitEngine>,
    pub(crate) options: Arc<GatewayOptions>,
    pub(crate) uploads: Arc<Semaphore>,
    /// Connections and uploads.
    pub(crate) tasks: TaskTracker,
    /// Ends what is still under way when the time for it is over.
    pub(crate) cut: CancellationToken,
}

/// Serves `engine` on `listener` until `stop`; then no connection is taken any more, requests may go on for
/// [`GatewayOptions::grace`], and uploads that are not whole by then are given up and removed.
///
/// `Internal` if the folder for uploads cannot be made or cleaned.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<dyn UnitEngine>,
    options: GatewayOptions,
    stop: CancellationToken,
) -> Result<()> {
    let temp = options.temp.clone();
    let prepared = tokio::task::spawn_blocking(move || upload::prepare(&temp)).await;
    prepared.map_err(std::io::Error::other).flatten().map_err(|error| {
        let message = format!("cannot use the folder {}: {error}", options.temp.display());
        Error::new(ErrorKind::Internal, "start the HTTP gateway", message).hint("ls -ld it, on the node")
    })?;
    let gateway = Gateway {
        engine,
        options: Arc::new(options),
        uploads: Arc::new(Semaphore::new(UPLOADS)),
        tasks: TaskTracker::new(),
        cut: CancellationToken::new(),
    };
    let acceptor = acceptor(&gateway, stop.clone());
    stop.run_until_cancelled(accept(&listener, &gateway, acceptor)).await;
    drop(listener);
    finish(&gateway).await;
    Ok(())
}

fn acceptor(gateway: &Gateway, stop: CancellationToken) -> Acceptor {
    let tls = gateway.options.tls.as_deref().cloned().map(|mut config| {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    Acceptor {
        tls,
        routes: routes::router(gateway.clone()),
        silence: gateway.options.silence,
        stop,
        cut: gateway.cut.clone(),
    }
}

async fn accept(listener: &TcpListener, gateway: &Gateway, acceptor: Acceptor) {
    let (acceptor, places) = (Arc::new(acceptor), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let acceptor = acceptor.clone();
                gateway.tasks.spawn(hold(place, async move { Connection::new(stream, &acceptor).run().await }));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn hold(_place: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
}

async fn finish(gateway: &Gateway) {
    gateway.tasks.close();
    if timeout(gateway.options.grace, gateway.tasks.wait()).await.is_ok() {
        return;
    }
    gateway.cut.cancel();
    if timeout(CLEANUP, gateway.tasks.wait()).await.is_err() {
        tracing::warn!("a deploy that came by HTTP is still under way at the end of the gateway");
    }
}
