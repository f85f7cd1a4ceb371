//! Deployments: how units come, are named, and go.
//!
//! Converts and calls. What is a source, a version or a node is decided by the core.

use std::{path::PathBuf, sync::Arc, time::Duration};

use haulier::{Language, MavenOptions, Promotion, Question};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyTuple};

use crate::{
    client::{self, seconds, wait},
    deployment::{Deployment, Running},
    errors, records,
};

type Units<'py> = Vec<Bound<'py, PyTuple>>;

/// The units of a cluster, as a connection asks for them.
#[pyclass(frozen, module = "haulier._native")]
pub(crate) struct Deployments {
    cluster: haulier::Cluster,
    running: Arc<Running>,
    process: u32,
}

#[pymethods]
impl Deployments {
    #[new]
    fn new(cluster: &client::Cluster) -> Self {
        Self { cluster: cluster.core(), running: Running::new(), process: std::process::id() }
    }

    fn session_id(&self) -> String {
        self.cluster.session_id()
    }

    #[pyo3(signature = (name, version, sources, *, replace, opaque, nodes, sha256, dependencies, include, exclude, repositories,
                        requirement_files, requirements, uv))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn start(
        &self,
        py: Python<'_>,
        name: String,
        version: String,
        sources: Vec<PathBuf>,
        replace: bool,
        opaque: bool,
        nodes: String,
        sha256: String,
        dependencies: bool,
        include: Vec<String>,
        exclude: Vec<String>,
        repositories: Vec<String>,
        requirement_files: Vec<PathBuf>,
        requirements: Vec<String>,
        uv: Option<PathBuf>,
    ) -> PyResult<Deployment> {
        let maven = MavenOptions { no_dependencies: !dependencies, include, exclude, repositories };
        let deploy = self.cluster.deploy(name, version).replace(replace).opaque(opaque).nodes(nodes);
        let deploy = deploy.sha256(sha256).maven(maven);
        let deploy = sources.iter().fold(deploy, |deploy, source| deploy.source(source));
        let deploy = requirement_files.iter().fold(deploy, |deploy, file| deploy.requirements(file));
        let required = requirements.iter().try_fold(deploy, |deploy, text| deploy.requirement(text));
        let deploy = required.map_err(|error| errors::to_client(py, &error))?;
        let deploy = if let Some(uv) = uv { deploy.uv(uv) } else { deploy };
        Deployment::start(deploy, self.running.clone()).map_err(|error| errors::to_client(py, &error))
    }

    /// Stops what is under way.
    fn close(&self) {
        // A child of fork has none of its parent's deployments, and the locks may be held for ever.
        if self.process == std::process::id() {
            self.running.close();
        }
    }

    fn undeploy<'py>(&self, py: Python<'py>, reference: &str, force: bool) -> PyResult<Units<'py>> {
        let removed = wait(py, self.cluster.undeploy(reference, force))?;
        removed.iter().map(|removed| records::unit(py, removed)).collect()
    }

    fn list<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Units<'py>> {
        let units = wait(py, async {
            match name {
                "" => self.cluster.list_deployments().await,
                name => self.cluster.list_units(name).await,
            }
        })?;
        units.iter().map(|listed| records::unit(py, listed)).collect()
    }

    fn inspect<'py>(&self, py: Python<'py>, reference: &str) -> PyResult<Bound<'py, PyTuple>> {
        records::details(py, &wait(py, self.cluster.inspect(reference))?)
    }

    fn download(&self, py: Python<'_>, reference: &str, folder: PathBuf, force: bool) -> PyResult<Vec<PathBuf>> {
        wait(py, self.cluster.download(reference, folder, force))
    }

    fn set_alias<'py>(&self, py: Python<'py>, name: &str, alias: &str, version: &str) -> PyResult<Bound<'py, PyTuple>> {
        let (unit, _) = wait(py, self.cluster.set_alias(name, alias, version))?;
        records::unit(py, &unit)
    }

    fn remove_alias(&self, py: Python<'_>, name: &str, alias: &str) -> PyResult<String> {
        wait(py, self.cluster.remove_alias(name, alias))
    }

    fn wait_for_unit<'py>(
        &self,
        py: Python<'py>,
        reference: &str,
        nodes: &str,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyTuple>> {
        records::unit(py, &wait(py, self.cluster.wait_for_unit(reference, nodes, seconds(timeout)?))?)
    }

    #[pyo3(signature = (session, *, name, version, snapshot, replace, nodes))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn promote<'py>(
        &self,
        py: Python<'py>,
        session: &str,
        name: String,
        version: String,
        snapshot: String,
        replace: bool,
        nodes: String,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let promotion = Promotion { name, version, snapshot, replace, nodes };
        records::unit(py, &wait(py, self.cluster.promote(session, promotion))?)
    }

    fn sessions<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let sessions = wait(py, self.cluster.sessions())?;
        sessions.iter().map(|session| records::session(py, session)).collect()
    }

    fn continuous_code<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let staying = wait(py, self.cluster.continuous_code())?;
        staying.iter().map(|code| records::continuous(py, code)).collect()
    }

    fn explain<'py>(
        &self,
        py: Python<'py>,
        name: String,
        units: Vec<String>,
        session: String,
        task: String,
        language: Option<&str>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let language = language.map(|language| match language {
            "java" => Ok(Language::Java),
            "python" => Ok(Language::Python),
            other => Err(PyValueError::new_err(format!("language is \"java\" or \"python\", not {other:?}"))),
        });
        let question = Question { name, units, session, task, language: language.transpose()?, ..Question::default() };
        records::explanation(py, &wait(py, self.cluster.explain(question))?)
    }

    fn collect_garbage(&self, py: Python<'_>, dry_run: bool) -> PyResult<(String, u64, u64, u64)> {
        let freed = wait(py, self.cluster.collect_garbage(dry_run))?;
        Ok((freed.node, freed.packs, freed.bytes, freed.held_bytes))
    }

    fn watch_storage<'py>(
        &self,
        py: Python<'py>,
        url: &str,
        interval: Option<f64>,
        settle: Option<f64>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let (interval, settle) = (time(interval)?, time(settle)?);
        records::watch(py, &wait(py, self.cluster.watch_storage(url, interval, settle))?)
    }

    fn unwatch_storage<'py>(&self, py: Python<'py>, watch: &str, undeploy: bool) -> PyResult<Bound<'py, PyTuple>> {
        records::watch(py, &wait(py, self.cluster.unwatch_storage(watch, undeploy))?)
    }

    fn watched_storages<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let watches = wait(py, self.cluster.watched_storages())?;
        watches.iter().map(|watch| records::watch(py, watch)).collect()
    }
}

/// Zero stands for the default.
fn time(given: Option<f64>) -> PyResult<Duration> {
    given.map_or(Ok(Duration::ZERO), seconds)
}
