//! The thread that writes: takes every command there is, decides each, and syncs once for all of them. It also ends
//! the registrations whose time has come.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use haulier_model::Result;
use tokio::sync::oneshot;

use super::{database::RecordFile, draft::Draft};
use crate::{Ledger, OperationId, Revision, registrations::Registrations};

/// The most commands that share one sync; bounds how long the first one waits for the others.
const BATCH_SIZE: usize = 256;

/// How long to wait until what the disk did not take is tried again.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// A write, and where its outcome goes.
pub(super) struct Command {
    pub(super) key: String,
    pub(super) change: Change,
    pub(super) operation: OperationId,
    pub(super) reply: oneshot::Sender<Result<Revision>>,
}

pub(super) enum Change {
    Set { expected: Option<Revision>, value: Vec<u8>, ttl: Option<Duration> },
    Delete { expected: Revision },
    Renew { revision: Revision },
}

pub(super) struct Writer {
    file: RecordFile,
    ledger: Arc<Ledger>,
    registrations: Registrations,
    disk_failed: bool,
}

type Reply = (oneshot::Sender<Result<Revision>>, Result<Revision>);

impl Writer {
    pub(super) fn new(file: RecordFile, ledger: Arc<Ledger>, registrations: Registrations) -> Self {
        Self { file, ledger, registrations, disk_failed: false }
    }

    /// Serves until the last sender is gone.
    pub(super) fn run(mut self, commands: &mpsc::Receiver<Command>) {
        loop {
            match self.wait(commands) {
                Ok(first) => self.write(first.into_iter().chain(commands.try_iter().take(BATCH_SIZE - 1))),
                Err(mpsc::RecvError) => return,
            }
        }
    }

    /// The next command; `None` if a registration ends sooner.
    fn wait(&self, commands: &mpsc::Receiver<Command>) -> Result<Option<Command>, mpsc::RecvError> {
        let Some(idle) = self.registrations.idle() else { return commands.recv().map(Some) };
        let idle = if self.disk_failed { idle.max(DISK_PAUSE) } else { idle };
        match commands.recv_timeout(idle) {
            Ok(command) => Ok(Some(command)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(mpsc::RecvError),
        }
    }

    fn write(&mut self, commands: impl Iterator<Item = Command>) {
        let mut draft = Draft::new(&self.ledger, &mut self.registrations);
        let replies: Vec<Reply> = commands
            .map(|Command { key, change, operation, reply }| (reply, draft.decide(key, change, operation)))
            .collect();
        // After the commands, among which may be a renewal that waited longer for the disk than it had time left.
        draft.end_registrations();
        let Draft { events, changes, .. } = draft;
        let outcome = match events.last() {
            None => Ok(()),
            Some(last) => self.file.write(&changes, last.revision()),
        };
        self.disk_failed = outcome.is_err();
        if outcome.is_ok() {
            for (key, change) in changes {
                match change {
                    Some(entry) => self.registrations.set(&key, entry.record.revision, entry.ttl),
                    None => self.registrations.forget(&key),
                }
            }
            // On disk first, and only then for readers.
            self.ledger.apply(events);
        }
        for (reply, result) in replies {
            // A caller that no longer waits has given up; the write stands all the same.
            let _ = reply.send(outcome.clone().and(result));
        }
    }
}
