//! The tasks of a session: those that are not answered, and for some minutes those that are, with where they ran.
//!
//! Must never know results or streams.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use haulier_protocol::v1::TaskState;

use crate::past_tasks::{KEPT, TaskPlace};

/// Finished tasks whose state is still known, per session.
const KEPT_STATES: usize = 100_000;

#[derive(Default)]
pub(super) struct SessionTasks {
    open: HashMap<u64, OpenTask>,
    finished: VecDeque<FinishedTask>,
    highest: u64,
}

struct OpenTask {
    /// The node's number.
    run: u64,
    /// Its number in the client's session, which is another one where a node has passed it on.
    named: u64,
    place: Option<TaskPlace>,
}

struct FinishedTask {
    named: u64,
    state: TaskState,
    at: Instant,
    place: Option<TaskPlace>,
}

impl SessionTasks {
    pub(super) fn open(&mut self, task_id: u64, named: u64, run: u64) {
        self.highest = self.highest.max(task_id);
        self.open.insert(task_id, OpenTask { run, named, place: None });
    }

    /// The highest number so far.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    pub(super) fn is_open(&self, task_id: u64) -> bool {
        self.open.contains_key(&task_id)
    }

    /// Tasks that are not answered.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn run_of(&self, task_id: u64) -> Option<u64> {
        self.open.get(&task_id).map(|task| task.run)
    }

    /// Notes where a task that is not answered runs. Of the parts of a broadcast the one of this node counts.
    pub(super) fn note(&mut self, task_id: u64, place: TaskPlace) {
        if let Some(task) = self.open.get_mut(&task_id)
            && !(matches!(task.place, Some(TaskPlace::Here(_))) && matches!(place, TaskPlace::There(_)))
        {
            task.place = Some(place);
        }
    }

    /// Ends a task, and says where it ran; `None` if it is not open.
    pub(super) fn close(&mut self, task_id: u64, state: TaskState) -> Option<Option<TaskPlace>> {
        let OpenTask { named, place, .. } = self.open.remove(&task_id)?;
        if self.finished.len() == KEPT_STATES {
            self.finished.pop_front();
        }
        self.finished.push_back(FinishedTask { named, state, at: Instant::now(), place: place.clone() });
        Some(place)
    }

    pub(super) fn state_of(&self, named: u64) -> Option<TaskState> {
        self.finished(named).map(|task| task.state)
    }

    pub(super) fn place_of(&self, named: u64) -> Option<TaskPlace> {
        let open = self.open.values().find(|task| task.named == named).and_then(|task| task.place.clone());
        open.or_else(|| self.finished(named)?.place.clone())
    }

    fn finished(&self, named: u64) -> Option<&FinishedTask> {
        self.finished.iter().rev().find(|task| task.named == named && task.at.elapsed() < KEPT)
    }

    pub(super) fn places(&self, most: usize) -> Vec<(u64, TaskPlace)> {
        let open = self.open.values().filter_map(|task| Some((task.named, task.place.clone()?)));
        let finished = self.finished.iter().rev().filter_map(|task| Some((task.named, task.place.clone()?)));
        open.chain(finished).take(most).collect()
    }

    /// No task is waited for any more: the node's numbers of those that were.
    pub(super) fn end(&mut self) -> Vec<u64> {
        self.open.drain().map(|(_, task)| task.run).collect()
    }
}
