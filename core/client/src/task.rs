//! Named tasks: call, submit, map, broadcast, with values in and out.
//!
//! Built on [`Cluster::submit`] alone.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use haulier_model::{Codec, DeploymentMode, Error, ErrorKind, Language, LoadingPolicy, Result, Value};
use haulier_protocol::values;
use tokio::sync::oneshot;

use crate::{Cluster, DeployedUnit, IntoArguments, NodeOutcome, Output, Submission, Target, TaskId};

/// Calls in flight of one [`Task::map`].
const WINDOW: usize = 1024;

/// The units that a task is loaded from: a reference, a deployed unit, or several in the order in which they are
/// searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units(Vec<String>);

impl From<&str> for Units {
    fn from(reference: &str) -> Self {
        Self(vec![reference.to_owned()])
    }
}

impl From<String> for Units {
    fn from(reference: String) -> Self {
        Self(vec![reference])
    }
}

impl From<&DeployedUnit> for Units {
    fn from(unit: &DeployedUnit) -> Self {
        Self(vec![unit.reference()])
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Units {
    fn from(references: [T; N]) -> Self {
        Self(references.into_iter().map(Into::into).collect())
    }
}

impl From<Vec<String>> for Units {
    fn from(references: Vec<String>) -> Self {
        Self(references)
    }
}

/// A named task of a unit; made by [`Cluster::task`]. Settings hold for the calls that follow.
#[derive(Clone, Debug)]
pub struct Task {
    cluster: Cluster,
    units: Vec<String>,
    entry_point: String,
    target: Target,
    labels: BTreeMap<String, String>,
    failover: bool,
    mode: Option<DeploymentMode>,
    policy: LoadingPolicy,
    parent_prefixes: Vec<String>,
    timeout: Option<Duration>,
    window: usize,
}

impl Task {
    pub(crate) fn new(cluster: Cluster, units: Units, entry_point: String) -> Self {
        Self {
            cluster,
            units: units.0,
            entry_point,
            target: Target::Any,
            labels: BTreeMap::new(),
            failover: false,
            mode: None,
            policy: LoadingPolicy::default(),
            parent_prefixes: Vec::new(),
            timeout: None,
            window: WINDOW,
        }
    }

    /// The longest time that a call may take, after which it fails with `DeadlineExceeded`. Default: none.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs on the node of this name. Default: the least loaded one. The last of this and [`Task::key`] counts.
    #[must_use]
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.target = Target::Node(name.into());
        self
    }

    /// Runs always on the same node for the same key, for as long as that node is there.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.target = Target::Key(key.into());
        self
    }

    /// Runs only on nodes that have this label; with several labels, on those that have all of them. Counts for
    /// [`Task::broadcast`] too.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Runs again elsewhere if a node is lost that has the task, which then may run more than once. Default: it fails
    /// with `WorkerLost` or `SessionLost`.
    #[must_use]
    pub fn failover(mut self) -> Self {
        self.failover = true;
        self
    }

    /// Who shares the loader of clients' code with the calls. Default: as the connection says. For units alone it does
    /// not count.
    #[must_use]
    pub fn mode(mut self, mode: DeploymentMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Who is asked first for a class, a module or a resource. Default: the class path of the task.
    #[must_use]
    pub fn policy(mut self, policy: LoadingPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Asks the parent first for names with these prefixes, whatever the policy: `["com.acme.contract"]`. Default: none
    /// besides those of the platform, the API and the logging APIs.
    #[must_use]
    pub fn parent_first<P: Into<String>>(mut self, prefixes: impl IntoIterator<Item = P>) -> Self {
        self.parent_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// The most calls of one [`Task::map`] that are in flight. Default: 1,024; at least 1.
    #[must_use]
    pub fn window(mut self, calls: usize) -> Self {
        self.window = calls.max(1);
        self
    }

    /// Calls the task and waits for its result. Dropping the future cancels the call.
    ///
    /// Errors: `TaskFailed` with [`Error::remote`] if the task threw, `CodeNotFound` if the class path has no such
    /// task, `ResultUnreadable` if the result is no `T`.
    pub async fn call<T>(&self, arguments: impl IntoArguments) -> Result<T>
    where
        T: TryFrom<Value, Error: Into<Error>>,
    {
        CancelOnDrop(self.submit(arguments)).await
    }

    /// Starts a call. The handle is a future of the result; dropping it lets the call run on.
    pub fn submit<T>(&self, arguments: impl IntoArguments) -> TaskHandle<T>
    where
        T: TryFrom<Value, Error: Into<Error>>,
    {
        let (sender, receiver) = oneshot::channel();
        // The handle may be gone; the result is then not wanted.
        let completion = Box::new(move |result| drop(sender.send(result)));
        let submitted = self.cluster.submit(self.submission(arguments, self.target.clone()), completion);
        let (id, state) = match submitted {
            Ok(id) => (Some(id), State::Waits(receiver)),
            Err(error) => (None, State::Refused(Some(error))),
        };
        TaskHandle { cluster: self.cluster.clone(), id, state, result: PhantomData }
    }

    /// Calls the task once for each element, many at a time, and gives the results in the order of the elements.
    /// Elements are taken as there is room; see [`Task::window`]. Dropping the stream cancels what is in flight.
    pub fn map<T>(
        &self,
        arguments: impl IntoIterator<Item: IntoArguments + 'static, IntoIter: Send + 'static>,
    ) -> Map<T>
    where
        T: TryFrom<Value, Error: Into<Error>>,
    {
        let arguments = arguments.into_iter().map(IntoArguments::into_arguments);
        Map { task: self.clone(), arguments: Some(Box::new(arguments)), running: VecDeque::new() }
    }

    /// Calls the task on every node that has the labels: each node's name with its result or error, as soon as all
    /// have answered. A node or key that was set does not count.
    pub async fn broadcast<T>(&self, arguments: impl IntoArguments) -> Result<Vec<(String, Result<T>)>>
    where
        T: TryFrom<Value, Error: Into<Error>>,
    {
        let (sender, receiver) = oneshot::channel();
        let completion = Box::new(move |result| drop(sender.send(result)));
        self.cluster.submit(self.submission(arguments, Target::All), completion)?;
        let outcomes = receiver.await.map_err(|_| gone())??;
        Ok(outcomes.into_iter().map(|outcome| (outcome.node, outcome.result.and_then(read))).collect())
    }

    fn submission(&self, arguments: impl IntoArguments, target: Target) -> Submission {
        Submission {
            units: self.units.clone(),
            payload: values::encode_arguments(&arguments.into_arguments()),
            target,
            labels: self.labels.clone(),
            failover: self.failover,
            mode: self.mode,
            policy: self.policy,
            parent_prefixes: self.parent_prefixes.clone(),
            deadline: self.timeout,
            ..Submission::new(Language::of_entry_point(&self.entry_point), self.entry_point.clone(), Codec::Values)
        }
    }
}

/// A call that was started: a future of its result.
#[must_use = "the result is lost if nobody waits for it"]
pub struct TaskHandle<T> {
    cluster: Cluster,
    id: Option<TaskId>,
    state: State,
    result: PhantomData<fn() -> T>,
}

enum State {
    Waits(oneshot::Receiver<Result<Vec<NodeOutcome>>>),
    Refused(Option<Error>),
}

impl<T> TaskHandle<T> {
    /// The number of the task; none if it was refused at once.
    pub fn id(&self) -> Option<TaskId> {
        self.id
    }

    /// Asks for the end of the task: the handle then gives `Canceled`, unless the task was faster.
    pub fn cancel(&self) {
        if let Some(id) = self.id {
            // A closed connection has cancelled everything already.
            let _ = self.cluster.cancel(id, false);
        }
    }
}

impl<T> Unpin for TaskHandle<T> {}

impl<T: TryFrom<Value, Error: Into<Error>>> Future for TaskHandle<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or_else(gone))),
            State::Waits(receiver) => Pin::new(receiver).poll(context).map(|received| {
                self.id = None;
                self.state = State::Refused(None);
                single(received.map_err(|_| gone())?).and_then(read)
            }),
        }
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").field("id", &self.id).finish_non_exhaustive()
    }
}

struct CancelOnDrop<T>(TaskHandle<T>);

impl<T: TryFrom<Value, Error: Into<Error>>> Future for CancelOnDrop<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        // A handle that has given its result has no number any more.
        self.0.cancel();
    }
}

/// The results of [`Task::map`], in the order of the elements.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Map<T> {
    task: Task,
    arguments: Option<Box<dyn Iterator<Item = Vec<Value>> + Send>>,
    running: VecDeque<CancelOnDrop<T>>,
}

impl<T> Unpin for Map<T> {}

impl<T: TryFrom<Value, Error: Into<Error>>> Stream for Map<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.running.len() < self.task.window
            && let Some(arguments) = &mut self.arguments
        {
            match arguments.next() {
                Some(arguments) => {
                    let handle = self.task.submit(arguments);
                    self.running.push_back(CancelOnDrop(handle));
                }
                None => self.arguments = None,
            }
        }
        let Some(first) = self.running.front_mut() else { return Poll::Ready(None) };
        let result = std::task::ready!(Pin::new(first).poll(context));
        self.running.pop_front();
        Poll::Ready(Some(result))
    }
}

impl<T> fmt::Debug for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("task", &self.task).field("running", &self.running.len()).finish_non_exhaustive()
    }
}

fn single(outcomes: Result<Vec<NodeOutcome>>) -> Result<Output> {
    let outcome = outcomes?.into_iter().next();
    outcome.ok_or_else(|| Error::internal("run a task", "the node answered with no outcome"))?.result
}

fn read<T: TryFrom<Value, Error: Into<Error>>>(output: Output) -> Result<T> {
    if output.codec != Codec::Values {
        return Err(Error::new(
            ErrorKind::ResultUnreadable,
            "read a result",
            format!("the task returned an object that only {:?} reads", output.codec),
        )
        .hint("return numbers, text, bytes, lists or maps"));
    }
    T::try_from(values::decode(&output.payload)?).map_err(Into::into)
}

fn gone() -> Error {
    Error::new(ErrorKind::Closed, "run a task", "the runtime ended before the task").hint("connect again")
}
