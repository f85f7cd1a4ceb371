//! The worker: the zygote, and the slot process that runs tasks in its main thread.

use std::{
    ffi::c_int,
    os::fd::RawFd,
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use haulier_model::{Codec, Digest, Error, ErrorKind, Language, RemoteFailure};
use haulier_worker::{Canceller, HelloInfo, Task, TaskOutcome, TaskRunner, WorkerClassPath, WorkerProcess};
use pyo3::{
    exceptions::PyRuntimeError,
    prelude::*,
    types::{PyBytes, PyTuple},
};

use crate::{
    buffers::{self, Payload},
    client, errors,
};

/// The task that runs in this process, 0: none. A task number of a node is never 0.
static RUNNING: AtomicU64 = AtomicU64::new(0);
/// The task that is to be interrupted, 0: none.
static TO_CANCEL: AtomicU64 = AtomicU64::new(0);
/// The signal that interrupts the main thread; 0: not said yet.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// The main thread, which runs the tasks.
static MAIN_THREAD: AtomicU64 = AtomicU64::new(0);

/// Says which signal interrupts a task; called in the main thread, once its handler is in place.
#[pyfunction]
pub(crate) fn interrupt_with(signal: c_int) {
    // SAFETY: pthread_self has no preconditions.
    MAIN_THREAD.store(unsafe { libc::pthread_self() }, Ordering::Release);
    SIGNAL.store(signal, Ordering::Release);
}

/// Whether the task that runs is to end; asked by the signal's handler. True once for each cancel.
#[pyfunction]
pub(crate) fn take_cancel() -> bool {
    let task = TO_CANCEL.swap(0, Ordering::AcqRel);
    task != 0 && task == RUNNING.load(Ordering::Acquire)
}

type Hello = (String, Vec<String>);

fn hello((language_version, capabilities): Hello) -> HelloInfo {
    HelloInfo { language: Language::Python, language_version, capabilities }
}

/// The warm process that slot processes are forked from: a zygote or a template.
#[pyclass(unsendable, module = "haulier_worker._native")]
pub(crate) struct Zygote(haulier_worker::Zygote);

#[pymethods]
impl Zygote {
    #[staticmethod]
    fn connect(py: Python<'_>, control_fd: RawFd, hello_of: Hello) -> PyResult<Self> {
        let zygote = haulier_worker::Zygote::connect(control_fd, hello(hello_of));
        zygote.map(Self).map_err(|error| errors::to_worker(py, &error))
    }

    /// Waits for a request to fork; None: the node is gone.
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<ForkRequest>> {
        let request = self.0.next().map_err(|error| errors::to_worker(py, &error))?;
        Ok(request.map(|request| ForkRequest { fork_id: request.fork_id(), request: Some(request) }))
    }

    /// In the parent: tells the node of the child, and lets the request go.
    fn forked(&mut self, py: Python<'_>, request: &mut ForkRequest, pid: u32) -> PyResult<()> {
        request.request = None;
        self.0.forked(request.fork_id, pid).map_err(|error| errors::to_worker(py, &error))
    }

    /// Template: begins to import a module.
    fn preloading(&self, py: Python<'_>, module: &str) -> PyResult<()> {
        self.0.preloading(module).map_err(|error| errors::to_worker(py, &error))
    }

    /// Template: has imported all; these top-level names are taken.
    fn preloaded(&self, py: Python<'_>, names: Vec<String>) -> PyResult<()> {
        self.0.preloaded(names).map_err(|error| errors::to_worker(py, &error))
    }

    fn cannot_preload(&self, py: Python<'_>, problem: &str) -> PyResult<()> {
        self.0.cannot_preload(problem).map_err(|error| errors::to_worker(py, &error))
    }

    fn failed(&mut self, py: Python<'_>, request: &mut ForkRequest, problem: &str) -> PyResult<()> {
        request.request = None;
        self.0.failed(request.fork_id, problem).map_err(|error| errors::to_worker(py, &error))
    }
}

/// A request to fork a slot process.
#[pyclass(unsendable, module = "haulier_worker._native")]
pub(crate) struct ForkRequest {
    fork_id: u64,
    request: Option<haulier_worker::ForkRequest>,
}

#[pymethods]
impl ForkRequest {
    /// What the child is to import, if it is to be a template.
    fn modules(&self) -> Option<Vec<String>> {
        self.request.as_ref()?.modules().map(<[String]>::to_vec)
    }

    /// In a child that is to be a template, first: becomes a process of its own; its end of its link, and its folder.
    fn enter_template(&mut self, py: Python<'_>) -> PyResult<(Zygote, String)> {
        let entered = self.take()?.enter_template();
        let (own, temp_dir) = entered.map_err(|error| errors::to_worker(py, &error))?;
        Ok((Zygote(own), temp_dir.to_string_lossy().into_owned()))
    }

    /// In the child, first: becomes a process of its own.
    fn enter_child(&mut self, py: Python<'_>) -> PyResult<ChildLinks> {
        let links = self.take()?.enter_child().map_err(|error| errors::to_worker(py, &error))?;
        Ok(ChildLinks {
            control_fd: links.control_fd,
            link_fd: links.link_fd,
            temp_dir: links.temp_dir.to_string_lossy().into_owned(),
        })
    }
}

impl ForkRequest {
    fn take(&mut self) -> PyResult<haulier_worker::ForkRequest> {
        self.request.take().ok_or_else(|| PyRuntimeError::new_err("the request was used before"))
    }
}

/// What a forked slot process has.
#[pyclass(frozen, get_all, module = "haulier_worker._native")]
pub(crate) struct ChildLinks {
    control_fd: RawFd,
    link_fd: RawFd,
    temp_dir: String,
}

/// The slot process's end of its links.
#[pyclass(frozen, module = "haulier_worker._native")]
pub(crate) struct Worker(Arc<WorkerProcess>);

#[pymethods]
impl Worker {
    #[staticmethod]
    fn connect(py: Python<'_>, control_fd: RawFd, hello_of: Hello) -> PyResult<Self> {
        let process = py.detach(|| WorkerProcess::connect(control_fd, hello(hello_of)));
        process.map(Self).map_err(|error| errors::to_worker(py, &error))
    }

    /// Runs tasks in this thread, the main one, until the node closes the link: `run(class_path, entry_point, codec,
    /// payload, result_codecs)` gives (codec, bytes) or the fields of a failure. `rest()` is called when none waits.
    fn serve(&self, py: Python<'_>, link_fd: RawFd, run: Py<PyAny>, rest: Py<PyAny>) -> PyResult<()> {
        let process = self.0.clone();
        std::thread::Builder::new().name("haulier-control".to_owned()).spawn(move || {
            // However it ends, the node is gone; and only a process that is gone lets go of what its task holds.
            let status = i32::from(process.serve_control(Arc::new(Signaller)).is_err());
            // SAFETY: _exit runs no handler, so it does not matter what the main thread does.
            unsafe { libc::_exit(status) }
        })?;
        py.detach(|| self.0.serve_slot(0, link_fd, &mut Runner { run, rest, digest: None }))
            .map_err(|error| errors::to_worker(py, &error))
    }

    fn report_imports(&self, py: Python<'_>, modules: Vec<String>) -> PyResult<()> {
        py.detach(|| self.0.report_imports(modules)).map_err(|error| errors::to_worker(py, &error))
    }

    fn class_path(&self, py: Python<'_>, digest: [u8; 32]) -> PyResult<ClassPath> {
        let class_path = py.detach(|| self.0.class_path(Digest::from_bytes(digest)));
        class_path.map(ClassPath).map_err(|error| errors::to_worker(py, &error))
    }
}

/// The class path of a slot process.
#[pyclass(frozen, module = "haulier_worker._native")]
pub(crate) struct ClassPath(Arc<WorkerClassPath>);

#[pymethods]
impl ClassPath {
    fn directory(&self) -> Option<String> {
        self.0.directory().map(|directory| directory.to_string_lossy().into_owned())
    }

    /// What is at the top: name, whether it is a folder, whether there are modules in it.
    fn tops(&self) -> Vec<(String, bool, bool)> {
        self.0.tops().into_iter().map(|top| (top.name, top.is_folder, top.has_modules)).collect()
    }

    /// File and, of a package, folder of a module that is made of source and filled in; `folder`: where it must be.
    #[pyo3(signature = (name, folder=None))]
    fn module(&self, name: &str, folder: Option<&str>) -> Option<(String, Option<String>)> {
        self.0.module(name, folder).map(|module| (module.file, module.folder))
    }

    /// The bytecode of a module, by the path of its source in the directory.
    fn bytecode<'py>(&self, py: Python<'py>, path: &str) -> Option<Bound<'py, PyBytes>> {
        self.0.bytecode(path).map(|code| PyBytes::new(py, code))
    }

    /// Makes a top-level module exist in the directory.
    fn fill(&self, py: Python<'_>, top_level: &str) -> PyResult<bool> {
        py.detach(|| self.0.fill(top_level)).map_err(|error| errors::to_worker(py, &error))
    }

    /// Says what the interpreter calls itself in names of bytecode.
    fn loaded_by(&self, tag: &str) {
        self.0.loaded_by(tag);
    }

    /// Keeps bytecode for other processes, by the path of its source in the directory; elsewhere, in its own time.
    fn keep_bytecode(&self, py: Python<'_>, compiled: Vec<(String, Vec<u8>)>) {
        py.detach(|| self.0.keep_bytecode(compiled));
    }

    /// What a file of the directory is called in messages.
    fn shown(&self, path: &str) -> Option<String> {
        self.0.shown(path)
    }

    fn searched(&self) -> Vec<String> {
        self.0.searched()
    }

    /// The fields of the error for a module that is not there.
    fn not_found(&self, name: &str) -> (&'static str, String, String, Vec<(String, String)>) {
        errors::worker_fields(&self.0.not_found(name))
    }
}

/// Interrupts the main thread: its waits in the kernel end, and Python runs the signal's handler.
struct Signaller;

impl Canceller for Signaller {
    fn cancel(&self, task_id: u64, _slot: u16) -> bool {
        let signal = SIGNAL.load(Ordering::Acquire);
        if signal == 0 || RUNNING.load(Ordering::Acquire) != task_id {
            return false;
        }
        TO_CANCEL.store(task_id, Ordering::Release);
        // SAFETY: the main thread lives as long as the process, and its handler was installed before SIGNAL was set.
        unsafe { libc::pthread_kill(MAIN_THREAD.load(Ordering::Acquire), signal) == 0 }
    }

    fn release(&self, _loaders: &[Bytes]) {}
}

/// Calls into Python for each task.
struct Runner {
    run: Py<PyAny>,
    rest: Py<PyAny>,
    /// The class path of the last task, as an object of Python: it hardly ever changes.
    digest: Option<Py<PyBytes>>,
}

impl TaskRunner for Runner {
    fn run(&mut self, _slot: u16, task: &Task) -> TaskOutcome {
        RUNNING.store(task.frame.task_id, Ordering::Release);
        let outcome = Python::attach(|py| {
            let outcome = self.call(py, task).unwrap_or_else(|error| unexpected(py, &error));
            RUNNING.store(0, Ordering::Release);
            outcome
        });
        outcome.unwrap_or_else(TaskOutcome::Failed)
    }

    fn rest(&mut self) {
        // What it does is of use to others only: a failure is nobody's.
        Python::attach(|py| drop(self.rest.call0(py)));
    }
}

type Outcome = Result<TaskOutcome, Error>;

impl Runner {
    fn call(&mut self, py: Python<'_>, task: &Task) -> PyResult<Outcome> {
        let frame = &task.frame;
        let digest = self.digest(py, &frame.class_path);
        let payload = arguments(py, task)?;
        let answer = self.run.bind(py).call1((
            digest,
            &frame.entry_point,
            frame.codec,
            payload,
            PyTuple::new(py, &frame.result_codecs)?,
        ))?;
        if let Ok((codec, payload)) = answer.extract::<(i32, Bound<'_, PyBytes>)>() {
            let codec = errors::codec_of(codec)?;
            return Ok(Ok(TaskOutcome::Completed { codec, payload: client::shared(&payload) }));
        }
        let travels = frame.entry_point.is_empty() || frame.entry_point.starts_with("haulier_worker.");
        let operation = if travels { "run a Python callable".to_owned() } else { format!("run {}", frame.entry_point) };
        Ok(Err(answer.extract::<Failure>()?.into_error(operation)))
    }

    fn digest<'py>(&mut self, py: Python<'py>, class_path: &[u8]) -> Bound<'py, PyBytes> {
        match &self.digest {
            Some(digest) if digest.bind(py).as_bytes() == class_path => digest.bind(py).clone(),
            _ => {
                let digest = PyBytes::new(py, class_path);
                self.digest = Some(digest.clone().unbind());
                digest
            }
        }
    }
}

/// The arguments of a task: bytes, or memory of the task's own if there are buffers in them.
fn arguments<'py>(py: Python<'py>, task: &Task) -> PyResult<Bound<'py, PyAny>> {
    let payload = task.payload();
    let is_pickle = Codec::try_from(task.frame.codec()).is_ok_and(|codec| codec == Codec::Pickle);
    if !is_pickle || !buffers::are_joined(payload) {
        return Ok(PyBytes::new(py, payload).into_any());
    }
    let own = match task.map_private()? {
        Some(mapping) => Payload::mapped(mapping),
        None => Payload::owned(Bytes::copy_from_slice(payload)),
    };
    Ok(Bound::new(py, own)?.into_any())
}

/// A cancel that came between two steps of the worker itself, or a defect.
fn unexpected(py: Python<'_>, error: &PyErr) -> Outcome {
    let is_cancel = error.get_type(py).name().is_ok_and(|name| name.to_string_lossy() == "TaskCanceled");
    Err(if is_cancel {
        Error::new(ErrorKind::Canceled, "run a Python task", "the task was cancelled")
    } else {
        Error::internal("run a Python task", error.to_string())
    })
}

/// `haulier_worker.failure.Failure`.
#[derive(FromPyObject)]
struct Failure {
    kind: String,
    message: String,
    hint: String,
    context: Vec<(String, String)>,
    type_name: String,
    text: String,
    trace: String,
    pickled: Option<Vec<u8>>,
}

impl Failure {
    fn into_error(self, operation: String) -> Error {
        let kind = ErrorKind::ALL.into_iter().find(|kind| kind.name() == self.kind).unwrap_or(ErrorKind::Internal);
        let mut error = Error::new(kind, operation, self.message).hint(self.hint);
        for (name, value) in self.context {
            error = error.context(name, value);
        }
        if self.type_name.is_empty() {
            return error;
        }
        error.with_remote(RemoteFailure {
            language: Some(Language::Python),
            type_name: self.type_name,
            message: self.text,
            trace: self.trace,
            object: self.pickled.map(|pickled| (Codec::Pickle, pickled)),
        })
    }
}
