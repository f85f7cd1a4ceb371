//! What is submitted and what comes back, without interpretation: the bindings bring and take bytes.
//!
//! Must never know how tasks travel.

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use haulier_model::{Codec, DeploymentMode, Digest, EnvironmentPolicy, Language, LoadingPolicy, Result};

/// The number of a task, unique in its [`Cluster`](crate::Cluster).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a task runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// The least loaded node.
    #[default]
    Any,
    /// The node of this name; `NotFound` if there is none.
    Node(String),
    /// Always the same node for the same key, for as long as that node is there: tasks of one customer, say, find what
    /// earlier ones have left in memory.
    Key(String),
    /// Every node; the outcome has one part for each.
    All,
}

/// Code of this client that a task may load: from [`CodeScope::prepare`](crate::CodeScope::prepare).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeReference {
    /// The digest of all class roots of the scope at one moment.
    pub snapshot: Digest,
    /// What must have arrived at the node before the task begins.
    pub offer_id: u64,
}

/// One call, as bytes.
///
/// ```
/// use haulier::{Codec, Language, Submission, Target};
///
/// let submission = Submission {
///     units: vec!["pricing:1.2.0".into()],
///     payload: haulier::encode_arguments(&[42.into()]),
///     target: Target::Node("n1".into()),
///     ..Submission::new(Language::Java, "com.acme.Price", Codec::Values)
/// };
/// assert_eq!(submission.result_codecs, [Codec::Values]);
/// ```
#[derive(Clone, Debug)]
pub struct Submission {
    /// The language of the worker.
    pub language: Language,
    /// References of units in the order in which they are searched; resolved once, at the node.
    pub units: Vec<String>,
    /// Code of this client, searched after the units.
    pub code: Option<CodeReference>,
    /// Who shares the loader of the client's code with this task. Default: as [`ConnectOptions::mode`] says.
    ///
    /// [`ConnectOptions::mode`]: crate::ConnectOptions::mode
    pub mode: Option<DeploymentMode>,
    /// Who is asked first for a class, a module or a resource. Default: the class path.
    pub policy: LoadingPolicy,
    /// Prefixes of names that are asked at the parent first, whatever the policy: "com.acme.contract". Default: none
    /// besides those of the platform, the API and the logging APIs.
    pub parent_prefixes: Vec<String>,
    /// "com.acme.Price", "com.acme.Price#of", "mypackage.scoring:score"; empty: the payload says it.
    pub entry_point: String,
    /// What the payload is.
    pub codec: Codec,
    /// The arguments.
    pub payload: Bytes,
    /// Where the task runs. Default: any node.
    pub target: Target,
    /// Only nodes that have all of these labels take the task, whatever the target. Default: none.
    pub labels: BTreeMap<String, String>,
    /// Whether the task runs again elsewhere if a node is lost that has it: then it may run more than once. Default:
    /// no; it fails with `WorkerLost`, or with `SessionLost` if this client was connected to that node.
    pub failover: bool,
    /// The longest time until the completion, from the submit on. The completion comes then, with
    /// `DeadlineExceeded`, even if no node can be reached any more. Default: none.
    pub deadline: Option<Duration>,
    /// Names the submission for good: a second one with the same key gets the first one's result. Default: none.
    pub idempotency_key: String,
    /// The codecs in which results can be read here, the preferred one first.
    pub result_codecs: Vec<Codec>,
    /// What the payload needs of the worker: "cpython-311". The node checks it before a byte is read.
    pub requires: Vec<String>,
    /// Python: the installed distributions that the code imports, in the versions of this side: "numpy==2.4.1". Default:
    /// none.
    pub requirements: Vec<String>,
    /// What the node does with them. Default: it refuses the task if its interpreter has others.
    pub environment: EnvironmentPolicy,
}

impl Submission {
    /// A call without arguments and units; results are wanted in `codec`.
    pub fn new(language: Language, entry_point: impl Into<String>, codec: Codec) -> Self {
        Self {
            language,
            units: Vec::new(),
            code: None,
            mode: None,
            policy: LoadingPolicy::default(),
            parent_prefixes: Vec::new(),
            entry_point: entry_point.into(),
            codec,
            payload: Bytes::new(),
            target: Target::Any,
            labels: BTreeMap::new(),
            failover: false,
            deadline: None,
            idempotency_key: String::new(),
            result_codecs: vec![codec],
            requires: Vec::new(),
            requirements: Vec::new(),
            environment: EnvironmentPolicy::default(),
        }
    }
}

/// The bytes that a task returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What the bytes are; one of [`Submission::result_codecs`].
    pub codec: Codec,
    /// The bytes.
    pub payload: Bytes,
}

/// What one node answered.
#[derive(Clone, Debug)]
pub struct NodeOutcome {
    /// The name of the node.
    pub node: String,
    /// The result, or why there is none.
    pub result: Result<Output>,
}

/// Receives the end of a task, once.
///
/// It is called on a thread of the [runtime](crate::runtime) that also reads all other results, so it must be quick:
/// hand the result over and return. It may submit and cancel; it must not wait. No lock is held during the call.
pub type Completion = Box<dyn FnOnce(Result<Vec<NodeOutcome>>) + Send>;
