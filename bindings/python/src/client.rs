//! The client: connections, what is submitted, and the questions that a call waits for.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use haulier::{
    CodeReference, CodeScope, Codec, ConnectOptions, DeploymentMode, Digest, EnvironmentPolicy, Language,
    LoadingPolicy, Result, Submission, Target, TaskId, runtime,
};
use parking_lot::Mutex;
use pyo3::{
    prelude::*,
    pybacked::PyBackedBytes,
    types::{PyBytes, PyDict, PyTuple},
};

use crate::{
    completions::{Completions, Finished, Queue},
    errors, pickles, records,
};

/// How often a call that waits looks for Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);
/// Payloads above this are not copied but kept alive while they are sent, in bytes.
const COPY_LIMIT: usize = 64 * 1024;

/// What the submits of one callable or task have in common.
#[pyclass(frozen, module = "haulier._native")]
pub(crate) struct Template {
    submission: Submission,
    start: Vec<String>,
    requires: Vec<String>,
    /// Called with top-level names that the code imports and does not have, and with those that the arguments name: the
    /// requirements that they mean.
    distributions: Option<Py<PyAny>>,
    requirements: Mutex<Known>,
}

/// The requirements of the newest snapshot, by what arguments name; without a snapshot, of calls without one.
#[derive(Default)]
struct Known {
    snapshot: Option<Digest>,
    by_named: HashMap<Vec<String>, Vec<String>>,
}

/// Sets of names that are remembered.
const MOST_NAMED: usize = 64;

impl Template {
    /// The installed distributions that the code of a call imports and its arguments name. Asked of Python once for each
    /// snapshot and what arguments of it name.
    fn requirements(
        &self,
        py: Python<'_>,
        scope: Option<&Scope>,
        code: Option<CodeReference>,
        named: &[&str],
    ) -> PyResult<Vec<String>> {
        let Some(distributions) = &self.distributions else { return Ok(Vec::new()) };
        let snapshot = code.map(|code| code.snapshot);
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        {
            let known = self.requirements.lock();
            if let Some(found) = known.by_named.get(&named).filter(|_| known.snapshot == snapshot) {
                return Ok(found.clone());
            }
        }
        let names = match (scope, code) {
            (Some(scope), Some(code)) => py.detach(|| scope.0.foreign(code, &self.start)),
            _ => self.start.iter().map(|name| name.split('.').next().unwrap_or(name).to_owned()).collect(),
        };
        let found: Vec<String> = distributions.call1(py, (names, named.clone()))?.extract(py)?;
        let mut known = self.requirements.lock();
        if known.snapshot != snapshot || known.by_named.len() >= MOST_NAMED {
            *known = Known { snapshot, by_named: HashMap::new() };
        }
        known.by_named.insert(named, found.clone());
        Ok(found)
    }
}

#[pymethods]
impl Template {
    #[new]
    #[pyo3(signature = (*, entry_point, result_codecs, units=Vec::new(), start=Vec::new(), requires=Vec::new(),
                        timeout=None, node=None, key=None, labels=Vec::new(), failover=false, mode=None,
                        policy=None, parent_first=Vec::new(), broadcast=false, environment=None,
                        distributions=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        entry_point: &str,
        result_codecs: Vec<i32>,
        units: Vec<String>,
        start: Vec<String>,
        requires: Vec<String>,
        timeout: Option<f64>,
        node: Option<String>,
        key: Option<String>,
        labels: Vec<(String, String)>,
        failover: bool,
        mode: Option<&str>,
        policy: Option<&str>,
        parent_first: Vec<String>,
        broadcast: bool,
        environment: Option<&str>,
        distributions: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let language = if entry_point.is_empty() { Language::Python } else { Language::of_entry_point(entry_point) };
        let submission = Submission {
            units,
            result_codecs: result_codecs.into_iter().map(errors::codec_of).collect::<PyResult<_>>()?,
            target: match (node, key) {
                _ if broadcast => Target::All,
                (Some(node), _) => Target::Node(node),
                (None, Some(key)) => Target::Key(key),
                (None, None) => Target::Any,
            },
            labels: labels.into_iter().collect(),
            failover,
            mode: mode.map(|mode| mode_of(py, mode)).transpose()?,
            policy: policy.map_or_else(|| Ok(LoadingPolicy::default()), |policy| policy_of(py, policy))?,
            parent_prefixes: parent_first,
            deadline: timeout.map(seconds).transpose()?,
            environment: environment.map(|policy| environment_of(py, policy)).transpose()?.unwrap_or_default(),
            ..Submission::new(language, entry_point, Codec::Pickle)
        };
        let distributions = distributions.filter(|_| submission.environment != EnvironmentPolicy::Ignore);
        Ok(Self { submission, start, requires, distributions, requirements: Mutex::default() })
    }

    /// The modules that the callable begins with.
    fn start(&self) -> Vec<String> {
        self.start.clone()
    }
}

fn environment_of(py: Python<'_>, name: &str) -> PyResult<EnvironmentPolicy> {
    name.parse().map_err(|error| errors::to_client(py, &error))
}

fn mode_of(py: Python<'_>, name: &str) -> PyResult<DeploymentMode> {
    name.parse().map_err(|error| errors::to_client(py, &error))
}

fn policy_of(py: Python<'_>, name: &str) -> PyResult<LoadingPolicy> {
    name.parse().map_err(|error| errors::to_client(py, &error))
}

/// The code of this interpreter, as nodes may load it.
#[pyclass(frozen, module = "haulier._native")]
pub(crate) struct Scope(Arc<CodeScope>);

impl Scope {
    /// Keeps the interpreter for a look-up, and lets it go while code is read and sent.
    fn prepare(&self, py: Python<'_>, start: &[String]) -> PyResult<CodeReference> {
        match self.0.prepared(start) {
            Some(reference) => Ok(reference),
            None => py.detach(|| self.0.prepare(start)).map_err(|error| errors::to_client(py, &error)),
        }
    }
}

#[pymethods]
impl Scope {
    /// What a submit of these modules would send: files that travel with it, files that may follow, what is left out, how
    /// much more of that, and the names that the modules import from elsewhere.
    fn preview<'py>(&self, py: Python<'py>, start: Vec<String>) -> PyResult<Bound<'py, PyTuple>> {
        let preview = py.detach(|| self.0.preview(&start)).map_err(|error| errors::to_client(py, &error))?;
        records::preview(py, &preview)
    }
}

/// A connection.
#[pyclass(frozen, module = "haulier._native")]
pub(crate) struct Cluster {
    cluster: haulier::Cluster,
    queue: Arc<Queue>,
}

#[pymethods]
impl Cluster {
    #[staticmethod]
    #[pyo3(signature = (address, *, token, ca_certificate, mode, language_version, capabilities, include, deny,
                        timeout, completions))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn connect(
        py: Python<'_>,
        address: &str,
        token: Option<String>,
        ca_certificate: Option<Vec<u8>>,
        mode: &str,
        language_version: String,
        capabilities: Vec<String>,
        include: Vec<String>,
        deny: Vec<String>,
        timeout: f64,
        completions: &Completions,
    ) -> PyResult<Self> {
        let mut options = ConnectOptions::new(address)
            .mode(mode_of(py, mode)?)
            .language(Language::Python, language_version)
            .capabilities(capabilities)
            .include(include)
            .deny(deny)
            .connect_timeout(seconds(timeout)?);
        if let Some(token) = token {
            options = options.token(token);
        }
        if let Some(pem) = ca_certificate {
            options = options.ca_certificate(pem);
        }
        let cluster = wait(py, options.connect())?;
        Ok(Self { cluster, queue: completions.queue() })
    }

    fn address(&self) -> String {
        self.cluster.address()
    }

    fn peer_loading(&self) -> bool {
        self.cluster.peer_loading()
    }

    #[expect(clippy::too_many_arguments, reason = "the hot path: no keywords, no tuple")]
    fn submit(
        &self,
        py: Python<'_>,
        template: &Template,
        codec: i32,
        payload: &Bound<'_, PyBytes>,
        by_value: bool,
        scope: Option<&Scope>,
        token: Py<PyAny>,
    ) -> PyResult<u64> {
        let code = scope.map(|scope| scope.prepare(py, &template.start)).transpose()?;
        let codec = errors::codec_of(codec)?;
        let pickled = codec == Codec::Pickle && template.distributions.is_some();
        let named = if pickled { pickles::modules(payload.as_bytes()) } else { Vec::new() };
        let submission = Submission {
            code,
            requirements: template.requirements(py, scope, code, &named)?,
            codec,
            payload: shared(payload),
            requires: if by_value { template.requires.clone() } else { Vec::new() },
            ..template.submission.clone()
        };
        let broadcast = submission.target == Target::All;
        let queue = self.queue.clone();
        let completion = Box::new(move |result| queue.push(Finished { token, result, broadcast }));
        self.queue.expect();
        self.cluster.submit(submission, completion).map(|task| task.0).map_err(|error| {
            self.queue.expect_no_more();
            errors::to_client(py, &error)
        })
    }

    fn cancel(&self, py: Python<'_>, task: u64, force: bool) -> PyResult<bool> {
        self.cluster.cancel(TaskId(task), force).map_err(|error| errors::to_client(py, &error))
    }

    fn code_scope(&self, roots: Vec<PathBuf>, packages: Vec<(String, PathBuf)>) -> Scope {
        Scope(self.cluster.python_scope(roots, packages))
    }

    fn nodes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let nodes = wait(py, self.cluster.nodes())?;
        nodes.iter().map(|node| records::node(py, node)).collect()
    }

    fn is_closed(&self) -> bool {
        self.cluster.is_closed()
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, async {
            self.cluster.close().await;
            Ok(())
        })
    }
}

impl Cluster {
    /// The connection of the core.
    pub(crate) fn core(&self) -> haulier::Cluster {
        self.cluster.clone()
    }
}

/// Waits for the end of `future` without the interpreter; Ctrl-C drops the future and raises.
pub(crate) fn wait<T: Send>(py: Python<'_>, future: impl Future<Output = Result<T>> + Send) -> PyResult<T> {
    let mut future = Box::pin(future);
    loop {
        let waited =
            py.detach(|| runtime::block_on(async { tokio::time::timeout(SIGNAL_INTERVAL, future.as_mut()).await }));
        match waited {
            Ok(Ok(Ok(result))) => return Ok(result),
            Ok(Ok(Err(error))) | Err(error) => return Err(errors::to_client(py, &error)),
            Ok(Err(_)) => py.check_signals()?,
        }
    }
}

/// The bytes of Python without a copy, unless a copy costs less than to let go of them.
pub(crate) fn shared(payload: &Bound<'_, PyBytes>) -> Bytes {
    if payload.as_bytes().len() <= COPY_LIMIT {
        Bytes::copy_from_slice(payload.as_bytes())
    } else {
        Bytes::from_owner(PyBackedBytes::from(payload.clone()))
    }
}

/// A time that was given in seconds.
pub(crate) fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        pyo3::exceptions::PyValueError::new_err(format!("{seconds} seconds: a time-out is positive and finite"))
    })
}
