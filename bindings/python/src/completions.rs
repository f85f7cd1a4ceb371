//! The way of results into Python: a queue, and one thread that takes the interpreter once for all that is there.
//!
//! Threads of the runtime never wait for the interpreter: they push and go on.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use haulier::{NodeOutcome, Output, Result};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};

use crate::errors;

/// The codec of an error and of a list of outcomes, besides those of the protocol.
const FAILED: i32 = -1;
const BROADCAST: i32 = -2;

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
    thread: Mutex<Option<JoinHandle<()>>>,
    process: u32,
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    finished: Vec<Finished>,
    stopped: bool,
}

#[pymethods]
impl Completions {
    #[new]
    fn new(complete: Py<PyAny>) -> PyResult<Self> {
        let queue = Arc::new(Queue::default());
        let thread = std::thread::Builder::new().name("haulier-results".to_owned()).spawn({
            let queue = queue.clone();
            move || queue.serve(&complete)
        })?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)), process: std::process::id() })
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
    pub(crate) fn push(&self, finished: Finished) {
        let mut state = self.lock();
        state.finished.push(finished);
        if state.finished.len() == 1 {
            self.ready.notify_one();
        }
    }

    fn serve(&self, complete: &Py<PyAny>) {
        while self.wait() {
            let alive = Python::try_attach(|py| {
                // What came while this thread waited for the interpreter comes along.
                let batch = mem::take(&mut self.lock().finished);
                if let Err(error) = deliver(py, batch, complete) {
                    error.write_unraisable(py, Some(complete.bind(py)));
                }
            });
            if alive.is_none() {
                return;
            }
        }
    }

    fn wait(&self) -> bool {
        let mut state = self.lock();
        while state.finished.is_empty() && !state.stopped {
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.stopped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn deliver(py: Python<'_>, batch: Vec<Finished>, complete: &Py<PyAny>) -> PyResult<()> {
    let list = PyList::empty(py);
    for finished in batch {
        let (codec, payload) = convert(py, finished.result, finished.broadcast)?;
        list.append((finished.token, codec, payload))?;
    }
    complete.call1(py, (list,))?;
    Ok(())
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
        Ok(Output { codec, payload }) => Ok((errors::codec_number(codec), PyBytes::new(py, &payload).into_any())),
        Err(error) => failed(py, &error),
    }
}

fn failed<'py>(py: Python<'py>, error: &haulier::Error) -> PyResult<(i32, Bound<'py, PyAny>)> {
    Ok((FAILED, errors::fields(py, error).map(Bound::<PyTuple>::into_any)?))
}
