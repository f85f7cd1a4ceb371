//! A server that the test plays: it answers each HTTP request as the test says, also in ways that no real one should.

use std::{net::SocketAddr, sync::Arc};

use haulier_testkit::TlsMaterial;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What a played server does after its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    /// The connection stays, and nothing more comes.
    Silence,
}

/// Answers by the path of the request.
pub(crate) type Answers = dyn Fn(&str) -> (Vec<u8>, Then) + Send + Sync;

pub(crate) struct Played {
    address: SocketAddr,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

impl Played {
    pub(crate) async fn start(answers: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Self {
        Self::open(answers, None).await
    }

    /// As [`Played::start`], with TLS.
    pub(crate) async fn start_tls(
        tls: &TlsMaterial,
        answers: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static,
    ) -> Self {
        let certificate = CertificateDer::from_pem_file(tls.certificate()).unwrap();
        let key = PrivateKeyDer::from_pem_file(tls.key()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::open(answers, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn open(answers: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Arc<Answers> = Arc::new(answers);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, tls) = (answers.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, answers).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answers).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, _tasks: tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A page with links.
pub(crate) fn page(html: &str) -> (Vec<u8>, Then) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", html.len());
    ((head + html).into_bytes(), Then::Close)
}

/// An answer without a body.
pub(crate) fn bare(status: &str, headers: &str) -> (Vec<u8>, Then) {
    (format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n").into_bytes(), Then::Close)
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, answers: Arc<Answers>) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (bytes, then) = answers(request.split(' ').nth(1).unwrap_or_default());
    // The client may have gone, which is its right.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.flush().await;
    if then == Then::Close {
        let _ = stream.shutdown().await;
    }
    if then == Then::Silence {
        std::future::pending::<()>().await;
    }
}
