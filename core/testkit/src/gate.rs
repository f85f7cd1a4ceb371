//! Where tasks wait until the test lets them go: so a test knows that they run, and where, without a clock.
use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The longest wait for a task to arrive.
const DEADLINE: Duration = Duration::from_secs(30);

/// A port that `acme_cluster:hold` connects to.
pub struct Gate(TcpListener);

/// A task that waits. It goes on when this is dropped, and also when its node or the test ends.
pub struct Held {
    /// The name of the node that it runs on.
    pub node: String,
    stream: TcpStream,
}

impl Gate {
    /// Opens a gate on a free port of loopback.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    /// What the tasks are given.
    ///
    /// # Panics
    /// Never on Linux.
    pub fn port(&self) -> i64 {
        self.0.local_addr().expect("an address").port().into()
    }

    /// Waits for the next task that arrives.
    ///
    /// # Panics
    /// If none arrives within 30 seconds.
    pub async fn next(&self) -> Held {
        tokio::time::timeout(DEADLINE, self.accept()).await.expect("a task that runs in time")
    }

    /// Waits for so many tasks.
    ///
    /// # Panics
    /// As [`Self::next`].
    pub async fn all(&self, count: usize) -> Vec<Held> {
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(self.next().await);
        }
        held
    }

    async fn accept(&self) -> Held {
        loop {
            let (mut stream, _) = self.0.accept().await.expect("a connection");
            let mut node = String::new();
            // A worker may be killed in the middle of its name.
            while let Ok(byte) = stream.read_u8().await {
                if byte == b'\n' {
                    return Held { node, stream };
                }
                node.push(byte.into());
            }
        }
    }
}

impl Held {
    /// Lets the task go on.
    pub async fn release(mut self) {
        // The task may have been killed.
        let _ = self.stream.write_all(b"1").await;
    }
}
