//! What the tasks that look after a worker share: its process, its links, and the end of both.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use haulier_model::{Digest, Error, Language};
use haulier_protocol::v1::{self, worker_command::Message as Command, worker_message::Message};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tracing::debug;

use super::{
    Loss, NodeSide, WorkerId,
    link::{Link, NO_TASK},
    output::Output,
    process::{Exit, Process},
    requests::Requests,
    zygote::Lessons,
};
use crate::frame;

/// How long a process whose link has broken may take to end by itself.
const AGONY: Duration = Duration::from_millis(500);

/// How long the kernel may take to end a killed process.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// How long what a process has left in its links and its output may take to be read.
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

/// What the tasks that look after a worker hold.
pub(super) struct Shared {
    pub(super) id: WorkerId,
    pub(super) language: Language,
    pub(super) node: Arc<dyn NodeSide>,
    /// Where what its tasks import is told; `None`: nowhere.
    pub(super) lessons: Option<Lessons>,
    pub(super) process: Arc<Process>,
    pub(super) output: Arc<Output>,
    pub(super) control: Arc<Link>,
    pub(super) slots: Vec<Arc<Link>>,
    pub(super) requests: Arc<Requests>,
    /// The end was asked for.
    pub(super) requested: AtomicBool,
    /// The process was killed, by whomever.
    pub(super) killed: AtomicBool,
    pub(super) state: Mutex<Life>,
    /// Why the links cannot be used any more.
    pub(super) broken: OnceLock<String>,
    pub(super) breaks: Notify,
    /// How the process ended, when it has, and all is told.
    pub(super) ended: watch::Sender<Option<String>>,
    /// What must live as long as the process: the spawning thread, the zygote.
    pub(super) _keeps: Box<dyn Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Starting,
    Running,
    Ended,
}

impl Shared {
    /// Waits until the process has ended and all is told; returns how it ended.
    pub(super) async fn end(&self) -> String {
        let mut ended = self.ended.subscribe();
        let status = ended.wait_for(Option::is_some).await.ok().and_then(|status| status.clone());
        status.unwrap_or_default()
    }

    /// The links cannot be used: the process has no future.
    pub(super) fn break_with(&self, problem: String) {
        // The first problem is the cause of the others.
        let _ = self.broken.set(problem);
        self.breaks.notify_one();
    }

    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.process.kill();
        self.breaks.notify_one();
    }

    /// Asks the worker. `None`: it is lost, or has not answered in time.
    pub(super) async fn ask(&self, command: Command) -> Option<Message> {
        let (number, question) = self.requests.open();
        if self.command(number, command) { question.answer().await } else { None }
    }

    /// Tells the worker. `false`: it is lost.
    pub(super) fn command(&self, request_id: u64, command: Command) -> bool {
        let command = v1::WorkerCommand { request_id, message: Some(command) };
        match frame::encoded(&command) {
            Ok(bytes) => self.control.send(NO_TASK, bytes),
            Err(problem) => self.answer_too_large(request_id, command, &problem),
        }
    }

    fn answer_too_large(&self, request_id: u64, command: v1::WorkerCommand, problem: &frame::FrameError) -> bool {
        let error = Some(Error::internal("answer a worker", problem.to_string()).into());
        match command.message {
            Some(Command::ClassPath(_)) => {
                self.command(request_id, Command::ClassPath(v1::ClassPathAnswer { error, ..Default::default() }))
            }
            Some(Command::Entry(_)) => {
                self.command(request_id, Command::Entry(v1::EntryAnswer { error, ..Default::default() }))
            }
            _ => {
                debug!("{}: a command was not sent: {problem}", self.id);
                false
            }
        }
    }

    /// Reads the control link until it ends. The first message is the hello.
    pub(super) async fn read_control(self: Arc<Self>, hello: oneshot::Sender<v1::WorkerHello>) {
        let ends = BreaksAtEnd(&self);
        let mut hello = Some(hello);
        let problem = self
            .control
            .read(|bytes| {
                let v1::WorkerMessage { request_id, message } =
                    frame::decode(bytes).map_err(|error| error.to_string())?;
                match (message, hello.take()) {
                    (Some(Message::Hello(said)), Some(hello)) => {
                        // Fails if the start was given up.
                        let _ = hello.send(said);
                        Ok(())
                    }
                    (_, Some(_)) => Err("something before its hello".to_owned()),
                    (Some(message), None) => {
                        self.hear(request_id, message);
                        Ok(())
                    }
                    (None, None) => Ok(()),
                }
            })
            .await;
        self.break_with(problem);
        drop(ends);
    }

    fn hear(self: &Arc<Self>, request_id: u64, message: Message) {
        match message {
            Message::ClassPath(request) => self.answer_class_path(request_id, request),
            Message::Entry(request) => self.answer_entries(request_id, request),
            Message::TakenBack(_) | Message::CancelReport(_) | Message::Pong(_) => {
                self.requests.answered(request_id, message);
            }
            Message::LoadersReleased(v1::LoadersReleased { loaders }) => {
                debug!("{}: {} loaders released", self.id, loaders.len());
            }
            Message::LoaderReport(report) => self.node.loaders(self.id, report),
            Message::Imported(v1::Imported { modules }) => {
                if let Some(lessons) = &self.lessons {
                    lessons.learn(modules);
                }
            }
            Message::Hello(_) | Message::ForkReport(_) | Message::Preloading(_) | Message::Preloaded(_) => {
                self.break_with("it sent what only a zygote sends".to_owned())
            }
        }
    }

    fn answer_class_path(self: &Arc<Self>, request_id: u64, request: v1::ClassPathRequest) {
        let shared = self.clone();
        tokio::spawn(async move {
            let answer = match Digest::from_slice(&request.class_path) {
                Ok(digest) => shared.node.class_path(shared.id, digest).await,
                Err(error) => Err(error),
            };
            let answer =
                answer.unwrap_or_else(|error| v1::ClassPathAnswer { error: Some(error.into()), ..Default::default() });
            shared.command(request_id, Command::ClassPath(answer));
        });
    }

    fn answer_entries(self: &Arc<Self>, request_id: u64, request: v1::EntryRequest) {
        let shared = self.clone();
        tokio::spawn(async move {
            let answer = shared.node.entries(shared.id, request).await;
            let answer =
                answer.unwrap_or_else(|error| v1::EntryAnswer { error: Some(error.into()), ..Default::default() });
            shared.command(request_id, Command::Entry(answer));
        });
    }

    /// Reads the results of a slot until its link ends.
    pub(super) async fn read_slot(self: Arc<Self>, slot: u16) {
        let ends = BreaksAtEnd(&self);
        let problem = self.slots[usize::from(slot)]
            .read(|bytes| {
                let result = frame::decode(bytes).map_err(|error| error.to_string())?;
                self.node.finished(self.id, slot, result);
                Ok(())
            })
            .await;
        self.break_with(problem);
        drop(ends);
    }

    /// Looks after the process until it has ended, all it has said is heard, and the node knows.
    pub(super) async fn attend(self: Arc<Self>, exit: Exit, readers: Vec<JoinHandle<()>>) {
        let status = self.outlive(exit).await;
        let drained = async {
            let mut readers = readers;
            for reader in &mut readers {
                // A reader that panicked has nothing more to say.
                let _ = timeout(DRAIN_DEADLINE, &mut *reader).await;
                // After the loss no result may follow.
                reader.abort();
            }
            readers
        };
        for reader in drained.await {
            if !reader.is_finished() {
                let _ = reader.await;
            }
        }
        self.tell(status);
    }

    /// Waits for the end of the process; brings it about if the process cannot be used any more.
    async fn outlive(&self, mut exit: Exit) -> String {
        let mut because = None;
        loop {
            tokio::select! {
                status = &mut exit => return match because {
                    Some(problem) => format!("{problem}; {status}"),
                    None => status,
                },
                () = self.breaks.notified() => {}
            }
            if !self.killed.load(Ordering::SeqCst) {
                if self.requested.load(Ordering::SeqCst) {
                    // A worker that is being stopped closes its links by itself.
                    continue;
                }
                if let Ok(status) = timeout(AGONY, &mut exit).await {
                    return status;
                }
                because = self.broken.get();
                self.process.kill();
            }
            return match timeout(KILL_DEADLINE, &mut exit).await {
                Ok(status) => because.map_or_else(|| status.clone(), |problem| format!("{problem}; {status}")),
                Err(_) => format!("killed, but has not ended within {} s", KILL_DEADLINE.as_secs()),
            };
        }
    }

    /// Tells the node, exactly once, that a worker which had started has ended.
    fn tell(&self, status: String) {
        let was = {
            let mut state = self.state.lock();
            std::mem::replace(&mut *state, Life::Ended)
        };
        self.control.close();
        self.slots.iter().for_each(|link| link.close());
        self.requests.close();
        if was == Life::Running {
            let requested = self.requested.load(Ordering::SeqCst);
            self.node.lost(self.id, Loss { status: status.clone(), last_output: self.output.last(), requested });
        }
        self.ended.send_replace(Some(status));
    }
}

/// A reader that panics, because the node's side did, must not leave a worker that nobody hears.
struct BreaksAtEnd<'a>(&'a Shared);

impl Drop for BreaksAtEnd<'_> {
    fn drop(&mut self) {
        self.0.break_with("the node failed to read from it".to_owned());
    }
}
