//! A gateway that serves, and what lies in its folder for uploads.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use haulier_gateway::{BASE_PATH, GatewayOptions, serve};
use haulier_model::Result;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::engine::{RecordingEngine, TOKEN};

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<RecordingEngine>,
    pub(crate) folder: TempDir,
    stop: CancellationToken,
    serving: JoinHandle<Result<()>>,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut GatewayOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = GatewayOptions::new(folder.path().join("uploads"));
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let engine = Arc::new(RecordingEngine::default());
        let serving = tokio::spawn(serve(listener, engine.clone(), options, stop.clone()));
        Self { address, engine, folder, stop, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{BASE_PATH}{path}", self.address)
    }

    /// What lies in the folder for uploads.
    pub(crate) fn uploads(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("uploads")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Waits until an upload has its folder, or until none has: nothing tells of that but the disk.
    pub(crate) async fn uploads_exist(&self, wanted: bool) {
        let seen = async {
            while self.uploads().is_empty() == wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, seen).await.unwrap();
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops the gateway; then nothing may be left of uploads.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        timeout(DEADLINE, &mut self.serving).await.unwrap().unwrap().unwrap();
        assert_eq!(self.uploads(), Vec::<String>::new());
    }

    /// A connection on which `text` was sent.
    pub(crate) async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// The beginning of an upload of one file, after which `more` bytes must come.
    pub(crate) fn upload_head(&self, id: &str, more: usize) -> String {
        const PART: &str =
            "--edge\r\nContent-Disposition: form-data; name=\"unitContent\"; filename=\"a.bin\"\r\n\r\nstart";
        let (address, size) = (self.address, PART.len() + more);
        format!(
            "POST {BASE_PATH}/units/{id}/1.0.0 HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: {size}\r\n\r\n{PART}"
        )
    }
}

/// All that comes until the other side ends the connection.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end, too.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8(bytes).unwrap()
}
