//! The thread that writes: takes every command there is, decides each, and syncs once for all of them.

use std::{collections::BTreeMap, sync::Arc};

use haulier_model::Result;
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::database::RecordFile;
use crate::{
    OperationId, Record, Revision,
    record::{self, Verdict},
};

/// The most commands that share one sync; bounds how long the first one waits for the others.
const BATCH_SIZE: usize = 256;

/// A write, and where its outcome goes.
pub(super) struct Command {
    pub(super) key: String,
    pub(super) change: Change,
    pub(super) operation: OperationId,
    pub(super) reply: oneshot::Sender<Result<Revision>>,
}

pub(super) enum Change {
    Set { expected: Option<Revision>, value: Vec<u8> },
    Delete { expected: Revision },
}

pub(super) struct Writer {
    file: RecordFile,
    mirror: Arc<RwLock<BTreeMap<String, Record>>>,
    revision: Revision,
}

/// What a batch changes, before anybody else sees it.
struct Draft {
    revision: Revision,
    changes: BTreeMap<String, Option<Record>>,
}

type Reply = (oneshot::Sender<Result<Revision>>, Result<Revision>);

impl Writer {
    pub(super) fn new(file: RecordFile, mirror: Arc<RwLock<BTreeMap<String, Record>>>, revision: Revision) -> Self {
        Self { file, mirror, revision }
    }

    /// Serves until the last sender is gone.
    pub(super) fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        while commands.blocking_recv_many(&mut batch, BATCH_SIZE) > 0 {
            self.write(batch.drain(..));
        }
    }

    fn write(&mut self, commands: impl Iterator<Item = Command>) {
        let mut draft = Draft { revision: self.revision, changes: BTreeMap::new() };
        let replies: Vec<Reply> = commands.map(|command| self.decide(&mut draft, command)).collect();
        let outcome = if draft.changes.is_empty() { Ok(()) } else { self.commit(draft) };
        for (reply, result) in replies {
            // A caller that no longer waits has given up; the write stands all the same.
            let _ = reply.send(outcome.clone().and(result));
        }
    }

    fn decide(&self, draft: &mut Draft, command: Command) -> Reply {
        let Command { key, change, operation, reply } = command;
        let current = match draft.changes.get(&key) {
            Some(change) => change.as_ref().map(|record| (record.revision, record.operation)),
            None => self.mirror.read().get(&key).map(|record| (record.revision, record.operation)),
        };
        (reply, draft.decide(key, current, change, operation))
    }

    /// Writes to disk, and only then to what readers see.
    fn commit(&mut self, draft: Draft) -> Result<()> {
        let batch = self.file.begin()?;
        batch.apply(&draft.changes, draft.revision)?;
        batch.commit()?;
        self.revision = draft.revision;
        let mut mirror = self.mirror.write();
        for (key, change) in draft.changes {
            match change {
                Some(record) => drop(mirror.insert(key, record)),
                None => drop(mirror.remove(&key)),
            }
        }
        Ok(())
    }
}

impl Draft {
    fn decide(
        &mut self,
        key: String,
        current: Option<(Revision, OperationId)>,
        change: Change,
        operation: OperationId,
    ) -> Result<Revision> {
        match change {
            Change::Set { expected, value } => match record::judge_set(&key, current, expected, operation)? {
                Verdict::AlreadyDone(revision) => Ok(revision),
                Verdict::Write => {
                    self.revision += 1;
                    let record = Record { key: key.clone(), value, revision: self.revision, operation };
                    self.changes.insert(key, Some(record));
                    Ok(self.revision)
                }
            },
            Change::Delete { expected } => {
                if record::judge_delete(&key, current.map(|(revision, _)| revision), expected)? {
                    self.changes.insert(key, None);
                }
                Ok(expected)
            }
        }
    }
}
