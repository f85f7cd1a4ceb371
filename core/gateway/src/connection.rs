//! One connection: handshake, requests by HTTP/1.1, and an end at which the client can still read its answer.
//!
//! It owns bytes and time. It must never know what is asked for.

use std::{convert::Infallible, future::poll_fn, net::IpAddr, pin::Pin, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{access::LocalAddress, options::READ_SIZE};

/// For how long bytes of a refused request are still taken, so that they do not make the system drop the answer.
const LINGER: Duration = Duration::from_secs(2);

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// What all connections share.
pub(crate) struct Acceptor {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) routes: Router,
    pub(crate) silence: Duration,
    pub(crate) stop: CancellationToken,
    pub(crate) cut: CancellationToken,
}

/// A connection that was just taken.
pub(crate) struct Connection<'a> {
    stream: TcpStream,
    acceptor: &'a Acceptor,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(stream: TcpStream, acceptor: &'a Acceptor) -> Self {
        Self { stream, acceptor }
    }

    /// Serves requests until the client goes, is silent for too long, or the gateway stops.
    pub(crate) async fn run(self) {
        let Self { stream, acceptor } = self;
        let Ok(local) = stream.local_addr() else { return };
        // An answer is one small write; nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let cut = acceptor.cut.clone();
        let served = async {
            match &acceptor.tls {
                None => serve(stream, local.ip(), acceptor).await,
                Some(tls) => match timeout(acceptor.silence, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, local.ip(), acceptor).await,
                    Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
                    Err(_) => tracing::debug!("no TLS handshake in time"),
                },
            }
        };
        cut.run_until_cancelled(served).await;
    }
}

async fn serve(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, local: IpAddr, acceptor: &Acceptor) {
    let answer = |mut request: Request<Incoming>| -> Answering {
        request.extensions_mut().insert(LocalAddress(local));
        let routes = acceptor.routes.clone();
        Box::pin(routes.oneshot(request.map(Body::new)))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(acceptor.silence)
        .max_buf_size(READ_SIZE)
        .serve_connection(TokioIo::new(io), service_fn(answer));
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
        () = acceptor.stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    match ended {
        Ok(()) => linger(connection.into_parts().io.into_inner()).await,
        Err(error) => tracing::debug!(%error, "a connection ended"),
    }
}

/// Says that nothing more comes, and reads until the client has understood.
async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let drain = async {
        io.shutdown().await?;
        let mut buffer = vec![0; READ_SIZE];
        while io.read(&mut buffer).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whether it went well or not, the connection is over.
    let _ = timeout(LINGER, drain).await;
}
