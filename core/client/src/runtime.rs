//! The one runtime of the process, remembered by process id.
//!
//! It is started by the first connection. A child of `fork` has none of its parent's threads: the child gets a runtime
//! of its own when it connects, and every handle that it inherited answers with an error. Must never know what runs.

use std::{
    future::Future,
    process,
    sync::{
        OnceLock,
        atomic::{AtomicPtr, Ordering},
    },
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

/// Called on each thread of the runtime: a JVM attaches and detaches its threads here.
#[derive(Clone, Copy, Debug)]
pub struct ThreadHooks {
    /// Called when a thread starts.
    pub start: fn(),
    /// Called when a thread ends.
    pub stop: fn(),
}

static HOOKS: OnceLock<ThreadHooks> = OnceLock::new();

/// The current runtime. A plain pointer and no lock, because a lock that another thread held during a fork would stay
/// locked in the child for ever. What it points to is never freed, except for the threads.
static CURRENT: AtomicPtr<Owned> = AtomicPtr::new(std::ptr::null_mut());

struct Owned {
    process: u32,
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

/// Sets what is called on each thread of the runtime. Call it before the first connection; only the first call counts.
/// Returns whether this was the first call.
pub fn set_thread_hooks(hooks: ThreadHooks) -> bool {
    HOOKS.set(hooks).is_ok()
}

/// The handle of this process's runtime, which is started if there is none yet.
pub fn handle() -> Result<Handle> {
    let process = process::id();
    let current = CURRENT.load(Ordering::Acquire);
    if let Some(handle) = live(current, process) {
        return Ok(handle);
    }
    let runtime = start()?;
    let fresh = Box::into_raw(Box::new(Owned {
        process,
        handle: runtime.handle().clone(),
        runtime: Mutex::new(Some(runtime)),
    }));
    match CURRENT.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => live(fresh, process).ok_or_else(|| Error::internal("start the runtime", "it was stopped at once")),
        Err(winner) => {
            // SAFETY: `fresh` was made above by Box::into_raw and was never shared, because the exchange failed.
            let loser = unsafe { Box::from_raw(fresh) };
            if let Some(runtime) = loser.runtime.into_inner() {
                runtime.shutdown_background();
            }
            live(winner, process).ok_or_else(|| Error::internal("start the runtime", "it was stopped at once"))
        }
    }
}

fn live(owned: *const Owned, process: u32) -> Option<Handle> {
    // SAFETY: the pointer is null or was published by `handle`, and nothing published is ever freed.
    let owned = unsafe { owned.as_ref() }?;
    (owned.process == process).then(|| owned.handle.clone())
}

fn start() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("haulier-client")
        .enable_all()
        .on_thread_start(|| {
            if let Some(hooks) = HOOKS.get() {
                (hooks.start)();
            }
        })
        .on_thread_stop(|| {
            if let Some(hooks) = HOOKS.get() {
                (hooks.stop)();
            }
        })
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::ResourceExhausted, "start the runtime", error.to_string())
                .hint("raise the limit of threads: ulimit -u")
        })
}

/// One: a second thread costs a wake-up for every answer, half of the time of an empty task. What may block runs
/// elsewhere: bindings call the user's code on threads of their own, and archives are read by the blocking pool.
const WORKER_THREADS: usize = 1;

/// Waits for `future` on the calling thread. `InvalidArgument` when called on a thread that runs asynchronous code,
/// because waiting there could stop everything.
pub fn block_on<F: Future>(future: F) -> Result<F::Output> {
    if Handle::try_current().is_ok() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "wait for a result",
            "a thread that runs asynchronous code must not block",
        )
        .hint("await the result instead"));
    }
    Ok(handle()?.block_on(future))
}

/// Ends the threads of the runtime and waits for them, for at most `timeout`. Close every cluster before; the next
/// connection starts a new runtime. Must not be called on a thread of the runtime. For a binding whose library is
/// unloaded; nothing else needs it.
pub fn shutdown(timeout: Duration) {
    let current = CURRENT.load(Ordering::Acquire);
    // SAFETY: the pointer is null or was published by `handle`, and nothing published is ever freed.
    let Some(owned) = (unsafe { current.as_ref() }) else { return };
    if owned.process != process::id() {
        return;
    }
    if CURRENT.compare_exchange(current, std::ptr::null_mut(), Ordering::AcqRel, Ordering::Acquire).is_ok() {
        let runtime = owned.runtime.lock().take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(timeout);
        }
    }
}

/// Runs `future` on the runtime, from any executor. Dropping the returned future stops it.
pub(crate) async fn run<F, T>(future: F) -> Result<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let mut task = Stopping(handle()?.spawn(future));
    (&mut task.0).await.unwrap_or_else(|error| Err(join_error(&error)))
}

/// Runs `work`, which may block, on a thread for that.
pub(crate) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    handle()?.spawn_blocking(work).await.unwrap_or_else(|error| Err(join_error(&error)))
}

fn join_error(error: &tokio::task::JoinError) -> Error {
    if error.is_panic() {
        Error::internal("run on the runtime", error.to_string())
    } else {
        Error::new(ErrorKind::Closed, "run on the runtime", "the runtime was shut down")
    }
}

struct Stopping<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Stopping<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Refuses a handle that was inherited over a `fork`; `process` is the one that made it.
pub(crate) fn check_process(process: u32, operation: &str) -> Result<()> {
    if process == process::id() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Closed,
        operation,
        "the connection belongs to the parent process; it did not survive the fork",
    )
    .hint("connect again in the child process, or start children with 'spawn' instead of 'fork'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_outside_and_refuses_inside() {
        assert_eq!(block_on(async { 7 }).unwrap(), 7);
        let inside = block_on(async { block_on(async { 7 }) }).unwrap();
        assert_eq!(inside.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn another_process_is_refused_with_advice() {
        check_process(process::id(), "submit").unwrap();
        let error = check_process(process::id() + 1, "submit").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.hint_text().contains("child process"));
    }
}
