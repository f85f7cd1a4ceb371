//! The thread that interrupts tasks and releases loaders: what may have to wait for user code.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use bytes::Bytes;
use haulier_model::{Error, Result};
use haulier_protocol::v1::{self, worker_message::Message};

use super::{Canceller, control::ControlLink};

enum Job {
    Interrupt { request_id: u64, task_id: u64, slot: u16 },
    Release(Vec<Bytes>),
}

/// Ends with its thread when it is dropped and the jobs are done.
pub(super) struct Interrupter {
    jobs: Sender<Job>,
}

impl Interrupter {
    pub(super) fn start(canceller: Arc<dyn Canceller>, control: Arc<ControlLink>) -> Result<Self> {
        let (jobs, received) = channel();
        thread::Builder::new()
            .name("haulier-cancel".into())
            .spawn(move || work(received, &*canceller, &control))
            .map_err(|error| Error::internal("start a thread", error.to_string()).with_source(error))?;
        Ok(Self { jobs })
    }

    pub(super) fn interrupt(&self, request_id: u64, task_id: u64, slot: u16) {
        self.enqueue(Job::Interrupt { request_id, task_id, slot });
    }

    pub(super) fn release(&self, loaders: Vec<Bytes>) {
        self.enqueue(Job::Release(loaders));
    }

    fn enqueue(&self, job: Job) {
        self.jobs.send(job).expect("the thread receives until this sender is dropped");
    }
}

fn work(jobs: Receiver<Job>, canceller: &dyn Canceller, control: &ControlLink) {
    for job in jobs {
        let (request_id, answer) = match job {
            Job::Interrupt { request_id, task_id, slot } => {
                let interrupted = catch_unwind(AssertUnwindSafe(|| canceller.cancel(task_id, slot))).unwrap_or(false);
                (request_id, Message::CancelReport(v1::CancelReport { task_id, removed: false, interrupted }))
            }
            Job::Release(loaders) => {
                // A panic was reported by its hook; the loaders are gone for the node either way.
                let _ = catch_unwind(AssertUnwindSafe(|| canceller.release(&loaders)));
                (0, Message::LoadersReleased(v1::LoadersReleased { loaders }))
            }
        };
        if control.send(request_id, answer).is_err() {
            // The node is gone, and the process is about to exit. Later jobs are received, so that nobody fails.
            continue;
        }
    }
}
