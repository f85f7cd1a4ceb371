//! A deployment that is under way: its steps, its end, and how it is stopped.
//!
//! A thread of Python asks for the steps one after the other: the threads of the runtime never wait for Python.

use std::{collections::VecDeque, mem, sync::Arc};

use haulier::{Deploy, DeployProgress, DeployedUnit, Error, ErrorKind, Result, runtime};
use parking_lot::Mutex;
use pyo3::{prelude::*, types::PyTuple};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinHandle},
};

use crate::{client::wait, records};

/// Steps that nobody has asked for yet: of each only the last that was heard of it.
type Steps = Arc<Mutex<VecDeque<DeployProgress>>>;

/// What stops the deployments of a connection; `None` once it is closed.
pub(crate) struct Running(Mutex<Option<Vec<AbortHandle>>>);

impl Running {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Vec::new()))))
    }

    fn add(&self, stop: AbortHandle) {
        match self.0.lock().as_mut() {
            Some(stops) => {
                stops.retain(|stop| !stop.is_finished());
                stops.push(stop);
            }
            None => stop.abort(),
        }
    }

    pub(crate) fn close(&self) {
        self.0.lock().take().into_iter().flatten().for_each(|stop| stop.abort());
    }

    fn is_closed(&self) -> bool {
        self.0.lock().is_none()
    }
}

/// A deployment.
#[pyclass(frozen, module = "haulier._native")]
pub(crate) struct Deployment {
    steps: Steps,
    /// Marked as changed with each step; closed at the end.
    changed: watch::Receiver<()>,
    stop: AbortHandle,
    running: Mutex<Option<JoinHandle<Result<DeployedUnit>>>>,
    others: Arc<Running>,
}

impl Deployment {
    pub(crate) fn start(deploy: Deploy, others: Arc<Running>) -> Result<Self> {
        let (sender, changed) = watch::channel(());
        let steps = Steps::default();
        let heard = steps.clone();
        let deploy = deploy.progress(move |now| {
            push(&mut heard.lock(), now);
            sender.send_replace(());
        });
        let running = runtime::handle()?.spawn(deploy.send());
        others.add(running.abort_handle());
        Ok(Self { steps, changed, stop: running.abort_handle(), running: Mutex::new(Some(running)), others })
    }

    async fn next(&self) -> Option<DeployProgress> {
        let mut changed = self.changed.clone();
        loop {
            if let Some(step) = self.steps.lock().pop_front() {
                return Some(step);
            }
            if changed.changed().await.is_err() {
                return self.steps.lock().pop_front();
            }
        }
    }

    async fn end(&self) -> Result<DeployedUnit> {
        let running = self.running.lock().take().ok_or_else(|| self.stopped())?;
        running.await.unwrap_or_else(|error| {
            Err(if error.is_cancelled() { self.stopped() } else { Error::internal("deploy", error.to_string()) })
        })
    }

    fn stopped(&self) -> Error {
        if self.others.is_closed() {
            Error::new(ErrorKind::Closed, "deploy", "the connection was closed").hint("connect again")
        } else {
            Error::new(ErrorKind::Canceled, "deploy", "the deployment was cancelled")
        }
    }
}

#[pymethods]
impl Deployment {
    fn next_step<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let step = wait(py, async { Ok(self.next().await) })?;
        step.map(|step| fields(step).into_pyobject(py)).transpose()
    }

    fn unit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        records::unit(py, &wait(py, self.end())?)
    }

    fn cancel(&self) {
        self.stop.abort();
    }
}

fn push(steps: &mut VecDeque<DeployProgress>, now: DeployProgress) {
    match steps.back_mut() {
        Some(last) if mem::discriminant(last) == mem::discriminant(&now) => *last = now,
        _ => steps.push_back(now),
    }
}

fn fields(step: DeployProgress) -> (&'static str, u64, u64) {
    match step {
        DeployProgress::Reading => ("reading", 0, 0),
        DeployProgress::Fetching { done, total } => ("fetching", done, total),
        DeployProgress::Sending { sent, total } => ("sending", sent, total),
        DeployProgress::Publishing => ("publishing", 0, 0),
        _ => ("", 0, 0),
    }
}
