//! The way of results into Python: a queue, and one thread that takes the interpreter once for all that is there.
//!
//! Threads of the runtime never wait for the interpreter: they push and go on. A thread of Python that waits for a result
//! anyway can take over meanwhile (it leads), which saves a change of threads for each result.

use std::{
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use haulier::{NodeOutcome, Output, Result};
use haulier_model::Codec;
use pyo3::{
    intern,
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};

use crate::{
    buffers::{self, Payload},
    errors,
};

/// The codec of an error and of a list of outcomes, besides those of the protocol.
const FAILED: i32 = -1;
const BROADCAST: i32 = -2;

/// How long results are gathered at most, and for which part of the tasks that are on their way.
const GATHER_TIME: Duration = Duration::from_micros(200);
const GATHERED_PART: usize = 8;
const MOST_GATHERED: usize = 256;

/// The end of a task, with what it was submitted with.
pub(crate) struct Finished {
    pub(crate) token: Py<PyAny>,
    pub(crate) result: Result<Vec<NodeOutcome>>,
    pub(crate) broadcast: bool,
}

/// The thread that brings results to Python.
#[pyclass(frozen, module = "haulier._native")]
pub(crate) struct Completions {
    queue: Arc<Queue>,
    take: Py<PyAny>,
    thread: Mutex<Option<JoinHandle<()>>>,
    process: u32,
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Tasks submitted whose end was not pushed yet.
    pending: AtomicUsize,
    /// For the thread.
    ready: Condvar,
    /// For the leader.
    ready_for_leader: Condvar,
}

#[derive(Default)]
struct State {
    finished: Vec<Finished>,
    /// What leaders have left to the thread.
    left: Vec<Py<PyList>>,
    /// As soon as there are so many, whoever gathers them takes them; 0: nobody gathers.
    wanted: usize,
    /// A thread of Python waits, and takes what comes.
    led: bool,
    stopped: bool,
}

#[pymethods]
impl Completions {
    #[new]
    fn new(complete: Py<PyAny>, take: Py<PyAny>) -> PyResult<Self> {
        let queue = Arc::new(Queue::default());
        let thread = std::thread::Builder::new().name("haulier-results".to_owned()).spawn({
            let queue = queue.clone();
            move || queue.serve(&complete)
        })?;
        Ok(Self { queue, take, thread: Mutex::new(Some(thread)), process: std::process::id() })
    }

    /// Takes results on this thread for at most that many seconds, or until some have come. False: another thread does,
    /// or has to end some of those that came.
    fn lead(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let patience = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let Some(batch) = py.detach(|| self.queue.lead(patience)) else { return Ok(false) };
        let list = to_list(py, batch)?;
        let taken = if list.is_empty() { Ok(()) } else { self.take.call1(py, (&list,)).map(drop) };
        let all = list.is_empty();
        if !all {
            // What is more than a leader may do, or what Ctrl-C has interrupted.
            self.queue.leave(list.unbind());
        }
        taken.map(|()| all)
    }

    fn stop(&self, py: Python<'_>) {
        if self.process != std::process::id() {
            return; // a child of fork has no such thread, and the lock may be held for ever
        }
        py.detach(|| {
            self.queue.lock().stopped = true;
            self.queue.ready.notify_one();
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                // Its panic was printed already, and nothing is left to do about it.
                let _ = thread.join();
            }
        });
    }
}

impl Completions {
    pub(crate) fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }
}

impl Queue {
    fn leave(&self, list: Py<PyList>) {
        let mut state = self.lock();
        state.left.push(list);
        self.ready.notify_one();
    }

    /// A task is submitted; its end will be pushed.
    pub(crate) fn expect(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// The submit has failed; nothing will be pushed.
    pub(crate) fn expect_no_more(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn push(&self, finished: Finished) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.lock();
        state.finished.push(finished);
        let count = state.finished.len();
        if count == 1 || count == state.wanted {
            if state.led { &self.ready_for_leader } else { &self.ready }.notify_one();
        }
    }

    /// Waits for results as the leader; `None`: there is one already, or nothing will come any more.
    fn lead(&self, patience: Duration) -> Option<Vec<Finished>> {
        let mut state = self.lock();
        if state.led || state.stopped {
            return None;
        }
        state.led = true;
        if state.finished.is_empty() {
            let waited = self.ready_for_leader.wait_timeout_while(state, patience, |state| state.finished.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state = self.gather(state, &self.ready_for_leader);
        state.led = false;
        Some(mem::take(&mut state.finished))
    }

    /// Where many tasks are on their way, lets a part of them arrive before the interpreter is taken for the first.
    fn gather<'a>(&self, mut state: MutexGuard<'a, State>, ready: &Condvar) -> MutexGuard<'a, State> {
        let wanted = (self.pending.load(Ordering::Relaxed) / GATHERED_PART).min(MOST_GATHERED);
        if state.finished.is_empty() || state.finished.len() >= wanted {
            return state;
        }
        state.wanted = wanted;
        let waited =
            ready.wait_timeout_while(state, GATHER_TIME, |state| state.finished.len() < wanted && !state.stopped);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.wanted = 0;
        state
    }

    fn serve(&self, complete: &Py<PyAny>) {
        while self.wait() {
            let alive = Python::try_attach(|py| {
                // What came while this thread waited for the interpreter comes along.
                let (batch, left) = {
                    let mut state = self.lock();
                    (mem::take(&mut state.finished), mem::take(&mut state.left))
                };
                for list in left {
                    deliver(py, list.bind(py), complete);
                }
                match to_list(py, batch) {
                    Ok(list) => deliver(py, &list, complete),
                    Err(error) => error.write_unraisable(py, None),
                }
            });
            if alive.is_none() {
                return;
            }
        }
    }

    fn wait(&self) -> bool {
        let mut state = self.lock();
        while state.finished.is_empty() && state.left.is_empty() && !state.stopped {
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.led && state.left.is_empty() {
            state = self.gather(state, &self.ready);
        }
        !state.stopped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_list(py: Python<'_>, batch: Vec<Finished>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    // They are taken from the end.
    for finished in batch.into_iter().rev() {
        let (codec, payload) = convert(py, finished.result, finished.broadcast)?;
        list.append((finished.token, codec, payload))?;
    }
    Ok(list)
}

/// Delivers what `complete` takes from the list. One result that it fails with does not stop the others.
fn deliver(py: Python<'_>, list: &Bound<'_, PyList>, complete: &Py<PyAny>) {
    while !list.is_empty() {
        let Err(error) = complete.call1(py, (list,)) else { return };
        error.write_unraisable(py, Some(complete.bind(py)));
        if list.del_item(list.len().saturating_sub(1)).is_err() {
            return;
        }
    }
}

fn convert(py: Python<'_>, result: Result<Vec<NodeOutcome>>, broadcast: bool) -> PyResult<(i32, Bound<'_, PyAny>)> {
    match result {
        Ok(outcomes) if broadcast => {
            let list = PyList::empty(py);
            for NodeOutcome { node, result } in outcomes {
                let (codec, payload) = output(py, result)?;
                list.append((node, codec, payload))?;
            }
            Ok((BROADCAST, list.into_any()))
        }
        Ok(outcomes) => match outcomes.into_iter().next() {
            Some(outcome) => output(py, outcome.result),
            None => failed(py, &haulier::Error::internal("read a result", "the node sent no outcome")),
        },
        Err(error) => failed(py, &error),
    }
}

fn output(py: Python<'_>, result: Result<Output>) -> PyResult<(i32, Bound<'_, PyAny>)> {
    match result {
        Ok(Output { codec, payload }) => {
            let number = errors::codec_number(codec);
            if codec == Codec::Pickle && buffers::are_joined(&payload) {
                return Ok((number, Bound::new(py, Payload::owned(payload))?.into_any()));
            }
            Ok((number, PyBytes::new(py, &payload).into_any()))
        }
        Err(error) => failed(py, &error),
    }
}

fn failed<'py>(py: Python<'py>, error: &haulier::Error) -> PyResult<(i32, Bound<'py, PyAny>)> {
    Ok((FAILED, errors::fields(py, error).map(Bound::<PyTuple>::into_any)?))
}

/// Ends a future of `concurrent.futures` in one step that no signal handler can interrupt. False: somebody waits for it,
/// has a callback, holds its lock, or it has ended already; nothing was changed then.
#[pyfunction]
pub(crate) fn finish(future: &Bound<'_, PyAny>, value: Bound<'_, PyAny>, error: Bound<'_, PyAny>) -> PyResult<bool> {
    let py = future.py();
    let condition = future.getattr(intern!(py, "_condition"))?;
    // Both are methods of the lock itself, so no code of Python runs until the lock is free again.
    if !condition.call_method1(intern!(py, "acquire"), (false,))?.is_truthy()? {
        return Ok(false);
    }
    let finished = end_unwatched(future, &condition, value, error);
    condition.call_method0(intern!(py, "release"))?;
    finished
}

fn end_unwatched<'py>(
    future: &Bound<'py, PyAny>,
    condition: &Bound<'py, PyAny>,
    value: Bound<'py, PyAny>,
    error: Bound<'py, PyAny>,
) -> PyResult<bool> {
    let py = future.py();
    let pending = future.getattr(intern!(py, "_state"))?.eq(intern!(py, "PENDING"))?;
    let watched = !future.getattr(intern!(py, "_waiters"))?.is_empty()?
        || !future.getattr(intern!(py, "_done_callbacks"))?.is_empty()?
        || !condition.getattr(intern!(py, "_waiters"))?.is_empty()?;
    if !pending || watched {
        return Ok(false);
    }
    future.setattr(intern!(py, "_result"), value)?;
    future.setattr(intern!(py, "_exception"), error)?;
    future.setattr(intern!(py, "_state"), intern!(py, "FINISHED"))?;
    Ok(true)
}
