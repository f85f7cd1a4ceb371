//! How bytes arrive: streamed into a file, hashed on the way, bounded, tried again, whole or not at all. It knows no
//! protocol.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::BoxStream};
use haulier_model::{Error, ErrorKind, Hasher, Result, Retry};
use tokio::{
    fs::File,
    io::{AsyncSeekExt as _, AsyncWriteExt as _},
};

use crate::{deadlines::within, failure};

/// Called while bytes arrive: how many there are, and how many there will be, if the server says so. A try that failed
/// begins again at 0.
pub type Progress = Arc<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// How often a transfer is begun before its failure is reported.
const TRIES: u32 = 4;
/// The pause before the second try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// How many bytes.
    pub size: u64,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The bytes of one file on their way.
pub(crate) struct Body {
    /// How many there will be, as far as is known.
    pub length: Option<u64>,
    /// The bytes; an error ends them.
    pub chunks: BoxStream<'static, Result<Vec<u8>>>,
}

/// What a transfer may take.
pub(crate) struct Download<'a> {
    pub operation: &'a str,
    /// More bytes than this are refused.
    pub limit: u64,
    /// How long the source may be silent.
    pub silence: Duration,
    pub progress: Option<&'a Progress>,
}

impl Download<'_> {
    /// Fills `file` from what `open` opens, anew after each failure that may pass.
    pub(crate) async fn run<F: Future<Output = Result<Body>> + Send>(
        &self,
        file: &mut File,
        open: impl Fn() -> F,
    ) -> Result<Fetched> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match self.once(file, open()).await {
                Err(error) if error.kind() == ErrorKind::Unavailable && error.retry() != Retry::Never => {
                    tracing::debug!(%error, "trying again");
                }
                ended => return ended,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.once(file, open()).await
    }

    async fn once(&self, file: &mut File, body: impl Future<Output = Result<Body>>) -> Result<Fetched> {
        let local = |error| failure::of_io(self.operation, &error);
        file.set_len(0).await.map_err(local)?;
        file.rewind().await.map_err(local)?;
        let Body { length, mut chunks } = body.await?;
        self.check(length.unwrap_or(0))?;
        let mut hasher = Hasher::default();
        let mut size = 0;
        self.report(0, length);
        while let Some(chunk) = within(self.silence, self.operation, chunks.next()).await? {
            let chunk = chunk?;
            size += chunk.len() as u64;
            self.check(size)?;
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(local)?;
            self.report(size, length);
        }
        if let Some(promised) = length.filter(|promised| *promised != size) {
            let message = format!("the server promised {promised} bytes and sent {size}");
            return Err(Error::new(ErrorKind::Unavailable, self.operation, message).hint("try again later"));
        }
        file.flush().await.map_err(local)?;
        Ok(Fetched { size, sha256: hasher.finish().hex() })
    }

    fn check(&self, size: u64) -> Result<()> {
        if size <= self.limit {
            return Ok(());
        }
        let message = format!("it has more than {} bytes, the limit", self.limit);
        Err(Error::new(ErrorKind::ResourceExhausted, self.operation, message)
            .with_retry(Retry::Never)
            .hint("fetch a smaller file, or raise the limit"))
    }

    fn report(&self, done: u64, total: Option<u64>) {
        if let Some(progress) = self.progress {
            progress(done, total);
        }
    }
}
