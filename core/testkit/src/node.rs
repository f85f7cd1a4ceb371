//! A node as a user runs it: a process from the distribution folder. Its end is certain: the handle kills it when it
//! is dropped, and the node ends with the process that started it.
use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::fixtures::distribution;

/// How long a node may take until it says that it listens.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How to start a node.
#[derive(Clone, Default)]
pub struct NodeOptions {
    /// Host and port; default: a free port of 127.0.0.1.
    pub listen: Option<String>,
    /// The data folder; default: a new one that goes with the node.
    pub data_dir: Option<PathBuf>,
    /// Further arguments of `haulier node`: "--insecure", "--token-file", ...
    pub arguments: Vec<String>,
    /// Further variables of its environment.
    pub environment: Vec<(String, String)>,
}

impl NodeOptions {
    /// Adds arguments of `haulier node`.
    #[must_use]
    pub fn arguments<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }
}

/// A running node.
pub struct TestNode {
    options: NodeOptions,
    data_dir: PathBuf,
    running: Running,
    /// Keeps a folder of its own until the node is gone.
    _scratch: Option<TempDir>,
}

struct Running {
    /// Holds the node's standard input open: its end is, for the node, a sign that its parent is gone.
    child: Child,
    address: String,
    started_in: Duration,
    output: Arc<Mutex<String>>,
}

impl TestNode {
    /// Starts a node and waits until it listens.
    ///
    /// # Errors
    /// If the binary is missing, or the node ends or stays silent before it listens; the error has its output.
    pub fn start(options: NodeOptions) -> io::Result<Self> {
        let (data_dir, scratch) = match &options.data_dir {
            Some(folder) => (folder.clone(), None),
            None => {
                let scratch = tempfile::tempdir()?;
                (scratch.path().join("data"), Some(scratch))
            }
        };
        let running = Running::start(&options, &data_dir)?;
        Ok(Self { options, data_dir, running, _scratch: scratch })
    }

    /// The binary that nodes are started from.
    pub fn binary() -> PathBuf {
        distribution().join("bin/haulier")
    }

    /// Where clients connect, "127.0.0.1:port".
    pub fn address(&self) -> &str {
        &self.running.address
    }

    /// The node's data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The node's process.
    pub fn process_id(&self) -> u32 {
        self.running.child.id()
    }

    /// From the start of the process until it listened.
    pub fn started_in(&self) -> Duration {
        self.running.started_in
    }

    /// What the node has printed so far.
    pub fn output(&self) -> String {
        self.running.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills the node by SIGKILL and waits for its end.
    pub fn kill9(&mut self) {
        self.running.end();
    }

    /// Kills the node if it runs and starts it again, with the same data and the same address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> io::Result<()> {
        self.running.end();
        let options = NodeOptions { listen: Some(self.running.address.clone()), ..self.options.clone() };
        self.running = Running::start(&options, &self.data_dir)?;
        Ok(())
    }

    /// Holds the node's process by SIGSTOP: it keeps its connections and says nothing. Its workers go on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop(&self) {
        assert!(self.signal(Signal::STOP), "the node runs");
    }

    /// Lets the node go on by SIGCONT.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&self) {
        assert!(self.signal(Signal::CONT), "the node runs");
    }

    fn signal(&self, signal: Signal) -> bool {
        kill_process(Pid::from_child(&self.running.child), signal).is_ok()
    }

    /// Asks the node to end by SIGTERM; true if it did within the deadline.
    pub fn terminate(&mut self, deadline: Duration) -> bool {
        if !self.signal(Signal::TERM) {
            return false;
        }
        let child = &mut self.running.child;
        crate::eventually(deadline, || matches!(child.try_wait(), Ok(Some(_))))
    }
}

impl Running {
    fn start(options: &NodeOptions, data_dir: &Path) -> io::Result<Self> {
        let binary = TestNode::binary();
        if !binary.is_file() {
            return Err(io::Error::other(format!("no node in {}; run: make build", binary.display())));
        }
        let begun = Instant::now();
        let mut child = Command::new(binary)
            .arg("node")
            .args(["--listen", options.listen.as_deref().unwrap_or("127.0.0.1:0"), "--exit-with-parent"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(&options.arguments)
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = Arc::new(Mutex::new(String::new()));
        let (announce, announced) = mpsc::channel();
        if let Some(stream) = child.stdout.take() {
            follow(stream, output.clone(), move |line| {
                if let Some((_, address)) = line.split_once(" listening on ") {
                    let _ = announce.send(address.trim().to_owned());
                }
            });
        }
        let (errors_end, errors_ended) = mpsc::channel::<()>();
        if let Some(stream) = child.stderr.take() {
            // The sender ends with the stream.
            follow(stream, output.clone(), move |_| _ = &errors_end);
        }
        let mut running = Self { child, address: String::new(), started_in: Duration::ZERO, output };
        match announced.recv_timeout(START_DEADLINE) {
            Ok(address) => {
                running.address = address;
                running.started_in = begun.elapsed();
                Ok(running)
            }
            Err(_) => {
                running.end();
                // What it said last is read by another thread.
                let _ = errors_ended.recv_timeout(START_DEADLINE);
                let output = running.output.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Err(io::Error::other(format!("the node did not start; it printed:\n{output}")))
            }
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads a stream to its end on a thread of its own, so that the node never waits for its reader.
fn follow(stream: impl Read + Send + 'static, output: Arc<Mutex<String>>, mut seen: impl FnMut(&str) + Send + 'static) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&line);
            output.push('\n');
            drop(output);
            seen(&line);
        }
    });
}
