//! Questions to a worker whose answers are awaited, and answers that come too late.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use haulier_protocol::v1::worker_message::Message;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How long a worker may take to answer. Its control thread runs no user code: one that does not answer is stopped.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// Called with the tasks that came back in an answer that nobody waits for any more.
pub(super) type Unclaimed = Box<dyn Fn(Vec<u64>) + Send + Sync>;

pub(super) struct Requests {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Message>>>,
    unclaimed: Unclaimed,
}

impl Requests {
    pub(super) fn new(unclaimed: Unclaimed) -> Arc<Self> {
        Arc::new(Self { next: AtomicU64::new(1), waiting: Mutex::default(), unclaimed })
    }

    /// A new question: its number, and its answer.
    pub(super) fn open(self: &Arc<Self>) -> (u64, Question) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().insert(number, sender);
        (number, Question { requests: self.clone(), answer })
    }

    /// An answer has come.
    pub(super) fn answered(&self, number: u64, answer: Message) {
        let sender = self.waiting.lock().remove(&number);
        let late = match sender {
            Some(sender) => sender.send(answer).err(),
            None => Some(answer),
        };
        if let Some(answer) = late {
            self.not_claimed(answer);
        }
    }

    /// The worker is lost: no answer will come.
    pub(super) fn close(&self) {
        self.waiting.lock().clear();
    }

    fn not_claimed(&self, answer: Message) {
        let tasks = match answer {
            Message::TakenBack(answer) => answer.task_ids,
            Message::CancelReport(answer) if answer.removed => vec![answer.task_id],
            _ => return,
        };
        if !tasks.is_empty() {
            (self.unclaimed)(tasks);
        }
    }
}

/// Waits for one answer. If it is dropped before, the tasks in the answer go to whoever takes unclaimed ones.
pub(super) struct Question {
    requests: Arc<Requests>,
    answer: oneshot::Receiver<Message>,
}

impl Question {
    /// `None`: the worker is lost, or has not answered in time.
    pub(super) async fn answer(mut self) -> Option<Message> {
        tokio::time::timeout(DEADLINE, &mut self.answer).await.ok()?.ok()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.answer.close();
        // An answer that came between the deadline and now.
        if let Ok(answer) = self.answer.try_recv() {
            self.requests.not_claimed(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use haulier_protocol::v1;

    use super::*;

    fn taken_back(tasks: &[u64]) -> Message {
        Message::TakenBack(v1::TakenBack { slot: 0, task_ids: tasks.to_vec() })
    }

    #[tokio::test]
    async fn every_answer_is_claimed_once() {
        let unclaimed = Arc::new(Mutex::new(Vec::new()));
        let seen = unclaimed.clone();
        let requests = Requests::new(Box::new(move |tasks| seen.lock().extend(tasks)));

        let (number, question) = requests.open();
        requests.answered(number, taken_back(&[1, 2]));
        assert_eq!(question.answer().await, Some(taken_back(&[1, 2])));

        let (number, question) = requests.open();
        requests.answered(number, taken_back(&[3]));
        drop(question);

        let (number, question) = requests.open();
        drop(question);
        requests.answered(number, taken_back(&[4]));
        requests.answered(99, taken_back(&[5]));
        assert_eq!(*unclaimed.lock(), [3, 4, 5]);

        let (_, question) = requests.open();
        requests.close();
        assert_eq!(question.answer().await, None);
    }
}
