//! What the core tells of units, sessions, storages and nodes, as the fields of Python's classes.

use std::time::Duration;

use haulier::{
    CodePreview, ContinuousCode, DeployedUnit, Digest, Explanation, NodeInfo, PreviewedFile, SessionInfo, StorageWatch,
    UnitDetails,
};
use pyo3::{
    IntoPyObjectExt as _,
    prelude::*,
    types::{IntoPyDict as _, PyDict, PyList, PyTuple},
};

/// The fields of `haulier.Unit`, in their order.
pub(crate) fn unit<'py>(py: Python<'py>, unit: &DeployedUnit) -> PyResult<Bound<'py, PyTuple>> {
    // More than a tuple of Rust can be converted with.
    PyTuple::new(
        py,
        [
            (&unit.name).into_bound_py_any(py)?,
            (&unit.version).into_bound_py_any(py)?,
            unit.digest.to_string().into_bound_py_any(py)?,
            unit.state.name().into_bound_py_any(py)?,
            unit.size.into_bound_py_any(py)?,
            unit.entries.into_bound_py_any(py)?,
            unit.generation.into_bound_py_any(py)?,
            since_epoch(unit.deployed_at_ms).into_bound_py_any(py)?,
            (&unit.deployed_by).into_bound_py_any(py)?,
            PyTuple::new(py, &unit.sources)?.into_any(),
            PyTuple::new(py, &unit.holders)?.into_any(),
            PyTuple::new(py, &unit.aliases)?.into_any(),
            PyTuple::new(py, &unit.warnings)?.into_any(),
        ],
    )
}

/// The fields of a unit, of its entries, of its origins, of its originals and of its requirements.
pub(crate) fn details<'py>(py: Python<'py>, details: &UnitDetails) -> PyResult<Bound<'py, PyTuple>> {
    let entries = PyList::empty(py);
    for entry in &details.entries {
        entries.append((&entry.path, entry.digest.to_string(), entry.size, entry.executable, entry.source))?;
    }
    let origins = PyList::empty(py);
    for origin in &details.origins {
        origins.append((&origin.source, &origin.sha256, &origin.coordinates))?;
    }
    let originals = PyList::empty(py);
    for original in &details.originals {
        originals.append((original.source, original.digest.to_string(), original.size))?;
    }
    let requirements = PyList::empty(py);
    for pin in &details.requirements {
        requirements.append((&pin.name, &pin.version, &pin.marker))?;
    }
    (unit(py, &details.unit)?, entries, origins, originals, requirements).into_pyobject(py)
}

/// What a submit would send: the fields of the files, of those that may follow, and of what is left out.
pub(crate) fn preview<'py>(py: Python<'py>, preview: &CodePreview) -> PyResult<Bound<'py, PyTuple>> {
    let file = |file: &PreviewedFile| {
        (file.path.to_string_lossy().into_owned(), file.name.clone(), file.size, file.digest.to_string())
    };
    let files = |files: &[PreviewedFile]| PyList::new(py, files.iter().map(file).collect::<Vec<_>>());
    let left_out = preview.left_out.iter().map(|out| (out.path.clone(), out.rule.clone())).collect::<Vec<_>>();
    (files(&preview.files)?, files(&preview.later)?, left_out, preview.left_out_more, &preview.foreign)
        .into_pyobject(py)
}

/// The fields of `haulier.Explanation`, in their order.
pub(crate) fn explanation<'py>(py: Python<'py>, explanation: &Explanation) -> PyResult<Bound<'py, PyTuple>> {
    let places = PyList::empty(py);
    for place in &explanation.places {
        let digest = place.digest.map(|digest| digest.to_string());
        places.append((&place.label, &place.path, digest, place.size, place.peer))?;
    }
    (
        &explanation.name,
        &explanation.kind,
        &explanation.verdict,
        &explanation.rule,
        places,
        PyTuple::new(py, &explanation.searched)?,
        PyTuple::new(py, &explanation.nearest)?,
        explanation.to_string(),
    )
        .into_pyobject(py)
}

/// The fields of `haulier.Session`, in their order.
pub(crate) fn session<'py>(py: Python<'py>, session: &SessionInfo) -> PyResult<Bound<'py, PyTuple>> {
    (
        &session.id,
        &session.node,
        &session.identity,
        session.language.map(|language| language.name()),
        session.age.as_secs_f64(),
        session.tasks,
        PyTuple::new(py, session.snapshots.iter().map(Digest::to_string))?,
    )
        .into_pyobject(py)
}

/// The fields of `haulier.ContinuousCode`, in their order.
pub(crate) fn continuous<'py>(py: Python<'py>, code: &ContinuousCode) -> PyResult<Bound<'py, PyTuple>> {
    (
        code.reference(),
        PyTuple::new(py, &code.identities)?,
        PyTuple::new(py, &code.origins)?,
        since_epoch(code.created_at_ms),
        since_epoch(code.last_used_ms),
        code.held_bytes,
        code.size,
        PyTuple::new(py, &code.names)?,
    )
        .into_pyobject(py)
}

/// The fields of `haulier.StorageWatch`, in their order; its problems as a list of theirs.
pub(crate) fn watch<'py>(py: Python<'py>, watch: &StorageWatch) -> PyResult<Bound<'py, PyTuple>> {
    let problems = PyList::empty(py);
    for problem in &watch.problems {
        let unit = given(&problem.unit);
        problems.append((&problem.path, unit, &problem.state, &problem.error, since_epoch(problem.since_ms)))?;
    }
    (
        &watch.id,
        &watch.url,
        watch.interval.as_secs_f64(),
        watch.settle.as_secs_f64(),
        given(&watch.node),
        &watch.state,
        given(&watch.last_error),
        (watch.last_success_ms > 0).then(|| since_epoch(watch.last_success_ms)),
        watch.units,
        watch.settling,
        problems,
    )
        .into_pyobject(py)
}

/// The fields of `haulier.Node`, by name.
pub(crate) fn node<'py>(py: Python<'py>, node: &NodeInfo) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("name", &node.name)?;
    fields.set_item("address", &node.address)?;
    fields.set_item("state", node.state.name())?;
    fields.set_item("labels", node.labels.iter().into_py_dict(py)?)?;
    fields.set_item("version", &node.version)?;
    fields.set_item("runtimes", node.runtimes.iter().map(|(name, version)| (name, version)).into_py_dict(py)?)?;
    fields.set_item("slots", node.slots)?;
    fields.set_item("queued", node.queued)?;
    fields.set_item("executing", node.executing)?;
    fields.set_item("held_units", PyTuple::new(py, node.held_units.iter().map(Digest::to_string))?)?;
    fields.set_item("local_code", node.local_code.map(|digest| digest.to_string()))?;
    fields.set_item("owns_catalogue", node.owns_catalogue)?;
    fields.set_item("direct", node.direct)?;
    fields.set_item("process_id", node.process_id)?;
    fields.set_item("uptime", Duration::from_secs(node.uptime_seconds).as_secs_f64())?;
    fields.set_item("code_round_trips", node.code_round_trips)?;
    Ok(fields)
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Seconds, as `time.time()` has them.
fn since_epoch(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}
