//! From a submit to a run: checks, the class path, and the wait for code that is under way.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use haulier_model::{ClassPath, ClassPathSource, DeploymentMode, Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::v1;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    run::{Payload, Placement, PoolKey, Run},
    server::NodeCore,
    session::{Registered, Session, loader_id},
};

/// The placements of a session, the last used one first, so that a submit like the last one costs a comparison.
#[derive(Default)]
pub(crate) struct Placements(Mutex<State>);

#[derive(Default)]
struct State {
    kept: Vec<(PlacementKey, Arc<Placement>)>,
    /// Submits that wait for their code or class path, and those that came after them: one lane for each key, so that
    /// tasks of the same code begin in the order of their submits.
    lanes: Vec<(PlacementKey, VecDeque<Admission>)>,
}

const KEPT_PLACEMENTS: usize = 16;

#[derive(Clone, PartialEq, Eq)]
struct PlacementKey {
    language: i32,
    units: Vec<String>,
    snapshot: Bytes,
    policy: i32,
}

impl PlacementKey {
    fn of(submit: &v1::Submit) -> Self {
        Self {
            language: submit.language,
            units: submit.units.clone(),
            snapshot: submit.snapshot.clone(),
            policy: submit.policy,
        }
    }

    fn is_of(&self, submit: &v1::Submit) -> bool {
        self.snapshot == submit.snapshot
            && self.units == submit.units
            && self.language == submit.language
            && self.policy == submit.policy
    }
}

/// A submit on its way to a run.
struct Admission {
    id: u64,
    submit: v1::Submit,
    deadline: Option<Instant>,
}

/// What a submit finds.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and moves to its run at once")]
enum Entrance {
    /// Its place is known.
    Placed(Admission, Arc<Placement>),
    /// It waits in a lane; who gets a key drains that lane.
    Waits(Option<PlacementKey>),
}

impl Placements {
    /// Finds the place of a submit whose code is here, or puts it into its lane.
    fn enter(&self, admission: Admission, code_is_here: bool) -> Entrance {
        let mut state = self.0.lock();
        if let Some((_, lane)) = state.lanes.iter_mut().find(|(key, _)| key.is_of(&admission.submit)) {
            lane.push_back(admission);
            return Entrance::Waits(None);
        }
        if code_is_here && let Some(placement) = state.find(&admission.submit) {
            return Entrance::Placed(admission, placement);
        }
        let key = PlacementKey::of(&admission.submit);
        state.lanes.push((key.clone(), VecDeque::from([admission])));
        Entrance::Waits(Some(key))
    }

    /// The next one of a lane. An empty lane is gone with this call.
    fn next(&self, key: &PlacementKey) -> Option<Admission> {
        let mut state = self.0.lock();
        let position = state.lanes.iter().position(|(of, _)| of == key)?;
        let next = state.lanes[position].1.pop_front();
        if next.is_none() {
            state.lanes.swap_remove(position);
        }
        next
    }

    fn find(&self, submit: &v1::Submit) -> Option<Arc<Placement>> {
        self.0.lock().find(submit)
    }

    fn keep(&self, submit: &v1::Submit, placement: &Arc<Placement>) {
        let forgotten = {
            let kept = &mut self.0.lock().kept;
            kept.insert(0, (PlacementKey::of(submit), placement.clone()));
            (kept.len() > KEPT_PLACEMENTS).then(|| kept.pop())
        };
        drop(forgotten);
    }

    /// Forgets those that use units: a deployment has changed.
    pub(crate) fn forget_units(&self) {
        let forgotten: Vec<_> = {
            let kept = &mut self.0.lock().kept;
            let (with, without) = kept.drain(..).partition(|(key, _)| !key.units.is_empty());
            *kept = without;
            with
        };
        drop(forgotten);
    }

    /// Forgets all of them: the session has ended.
    pub(crate) fn end(&self) -> Vec<Arc<Placement>> {
        self.0.lock().kept.drain(..).map(|(_, placement)| placement).collect()
    }
}

impl State {
    fn find(&mut self, submit: &v1::Submit) -> Option<Arc<Placement>> {
        let position = self.kept.iter().position(|(key, _)| key.is_of(submit))?;
        if position > 0 {
            self.kept[..=position].rotate_right(1);
        }
        Some(self.kept[0].1.clone())
    }
}

/// Takes a submit; whatever happens, the session gets an answer.
pub(crate) fn admit(node: &Arc<NodeCore>, session: &Arc<Session>, submit: v1::Submit) {
    let id = node.scheduler.next_run();
    if session.register(submit.task_id, id) != Registered::New {
        return;
    }
    let code_is_here = session.code.is_complete(submit.offer_id);
    let deadline = (submit.deadline_ms > 0).then(|| Instant::now() + Duration::from_millis(submit.deadline_ms));
    match session.placements.enter(Admission { id, submit, deadline }, code_is_here) {
        Entrance::Placed(admission, placement) => schedule(node, session, admission, placement),
        Entrance::Waits(None) => {}
        Entrance::Waits(Some(key)) => {
            let (node, session) = (node.clone(), session.clone());
            tokio::spawn(async move {
                while let Some(admission) = session.placements.next(&key) {
                    match find_place(&node, &session, &admission).await {
                        Ok(placement) => schedule(&node, &session, admission, placement),
                        Err(error) => refuse(&node, &session, admission.submit.task_id, error),
                    }
                    tokio::task::coop::consume_budget().await;
                }
            });
        }
    }
}

fn schedule(node: &Arc<NodeCore>, session: &Arc<Session>, admission: Admission, placement: Arc<Placement>) {
    let task_id = admission.submit.task_id;
    match build(node, session, admission, placement) {
        Ok(run) => node.scheduler.submit(run),
        Err(error) => refuse(node, session, task_id, error),
    }
}

async fn find_place(node: &Arc<NodeCore>, session: &Arc<Session>, admission: &Admission) -> Result<Arc<Placement>> {
    let submit = &admission.submit;
    wait_for_code(node, session, admission).await?;
    if let Some(placement) = session.placements.find(submit) {
        return Ok(placement);
    }
    let placement = Arc::new(place(node, session, admission.id, submit).await?);
    if !placement.isolated && !session.is_ended() {
        session.placements.keep(submit, &placement);
    }
    Ok(placement)
}

async fn wait_for_code(node: &NodeCore, session: &Session, admission: &Admission) -> Result<()> {
    let submit = &admission.submit;
    if session.code.is_complete(submit.offer_id) {
        return Ok(());
    }
    let (sender, receiver) = oneshot::channel();
    session.code.when_complete(submit.offer_id, move |result| {
        // The task may have been given up.
        let _ = sender.send(result);
    });
    let deadline = admission.deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
    match tokio::time::timeout(deadline.min(node.limits.code), receiver).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(crate::code::gone("run a task", session)),
        Err(_) if deadline < node.limits.code => Err(Error::new(
            ErrorKind::DeadlineExceeded,
            "run a task",
            "the deadline passed before its code had arrived",
        )),
        Err(_) => {
            Err(Error::new(ErrorKind::Unavailable, "run a task", "the client announced code that did not arrive")
                .hint("submit again"))
        }
    }
}

async fn place(node: &Arc<NodeCore>, session: &Arc<Session>, id: u64, submit: &v1::Submit) -> Result<Placement> {
    let language: Language = submit.language().try_into()?;
    if language == Language::Rust {
        return Err(Error::new(ErrorKind::InvalidArgument, "run a task", "tasks run in Java or Python")
            .hint("name a Java class or a Python module:callable"));
    }
    if !submit.snapshot.is_empty() && !node.peer_loading {
        return Err(Error::new(ErrorKind::CodeNotFound, "run a task", "peer loading is off on this node")
            .hint("deploy the code as a unit: haulier deploy NAME PATH"));
    }
    let mut class_path = ClassPath { sources: Vec::new(), policy: submit.policy().into() };
    let mut units = Vec::new();
    for reference in &submit.units {
        let unit = node.units.pin(reference).await.map_err(|error| error.in_operation(format!("run {reference}")))?;
        class_path.sources.push(ClassPathSource::Unit(unit.record.digest));
        units.push(unit);
    }
    if !submit.snapshot.is_empty() {
        class_path.sources.push(ClassPathSource::Snapshot(Digest::from_slice(&submit.snapshot)?));
    }
    let peer = !submit.snapshot.is_empty();
    let (paths, origin) = (node.clone(), session.clone());
    let resolve = move || paths.class_paths.resolve(&origin, language, class_path, units);
    let resolved = tokio::task::spawn_blocking(resolve)
        .await
        .map_err(|error| Error::internal("build a class path", error.to_string()))??;
    // Tasks without peer-loaded code belong to no session: they share by class path. A function that travels by value
    // belongs to its session like a snapshot.
    let private = peer || submit.entry_point.is_empty();
    let (scope, isolated) = match session.mode {
        DeploymentMode::Isolated if private => (id.to_le_bytes().to_vec(), true),
        DeploymentMode::Private if private => (session.id.as_bytes().to_vec(), false),
        _ => (Vec::new(), false),
    };
    let loader = loader_id(resolved.digest, &scope);
    let environment = (language == Language::Python).then(|| loader.clone());
    let pool = PoolKey { group: session.identity.name().into(), language, environment };
    Ok(Placement { class_path: resolved, loader, pool, isolated })
}

fn build(node: &NodeCore, session: &Arc<Session>, admission: Admission, placement: Arc<Placement>) -> Result<Run> {
    let Admission { id, submit, deadline } = admission;
    if let Some(v1::target::Target::Node(name)) = submit.target.as_ref().and_then(|target| target.target.as_ref())
        && *name != node.name
    {
        return Err(Error::new(ErrorKind::NotFound, "run a task", format!("the cluster has no node '{name}'"))
            .context("nodes", &node.name)
            .hint("haulier nodes"));
    }
    let payload = if submit.payload_id == 0 {
        Payload::Inline(submit.payload)
    } else {
        Payload::Stored(session.take_upload(submit.payload_id).ok_or_else(|| {
            Error::new(ErrorKind::SessionLost, "run a task", "its uploaded argument is not here").hint("submit again")
        })?)
    };
    Ok(Run {
        id,
        task_id: submit.task_id,
        session: session.clone(),
        placement,
        entry_point: submit.entry_point,
        codec: submit.codec,
        payload,
        result_codecs: submit.result_codecs,
        requires: submit.requires,
        units: submit.units,
        deadline,
    })
}

fn refuse(node: &NodeCore, session: &Session, task_id: u64, error: Error) {
    let outcome = v1::Outcome { node: node.name.clone(), error: Some(error.into()), ..Default::default() };
    session.answer(task_id, v1::TaskState::Failed, outcome, None);
}
