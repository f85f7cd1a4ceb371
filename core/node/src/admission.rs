//! From a submit to a run: the node that it goes to, and the wait for code that is under way.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::v1;
use tokio::sync::oneshot;

use crate::{
    broadcast::{Broadcast, Reply},
    core::NodeCore,
    members::Peer,
    placements::Entrance,
    placing::place,
    relays::Passed,
    routing::{self, Place},
    run::{Payload, Placement, Run},
    session::{Registered, Session},
};

/// A submit on its way to a run, here or on another node.
#[derive(Clone)]
pub(crate) struct Admission {
    id: u64,
    pub(crate) submit: v1::Submit,
    deadline: Option<Instant>,
    reply: Reply,
    /// The argument, once it was taken out of the submit or of what was uploaded.
    payload: Option<Payload>,
    /// How often the task was with a node that was lost.
    moves: u32,
    /// When it came, or came back.
    arrived: Instant,
}

impl Admission {
    fn take_payload(&mut self, session: &Session) -> Result<Payload> {
        if let Some(payload) = &self.payload {
            return Ok(payload.clone());
        }
        let payload = if self.submit.payload_id == 0 {
            Payload::Inline(std::mem::take(&mut self.submit.payload))
        } else {
            Payload::Stored(session.take_upload(self.submit.payload_id).ok_or_else(|| {
                Error::new(ErrorKind::SessionLost, "run a task", "its uploaded argument is not here")
                    .hint("submit again")
            })?)
        };
        self.submit.payload_id = 0;
        Ok(self.payload.insert(payload).clone())
    }

    fn into_passed(self, session: &Arc<Session>) -> Passed {
        Passed {
            id: self.id,
            session: session.clone(),
            submit: self.submit,
            payload: self.payload.unwrap_or_else(|| Payload::Inline(Bytes::new())),
            deadline: self.deadline,
            reply: self.reply,
            moves: self.moves,
        }
    }

    fn fail(&self, node: &NodeCore, session: &Session, error: Error) {
        let outcome = v1::Outcome { node: node.name.clone(), error: Some(error.into()), ..Default::default() };
        self.reply.answer(session, self.submit.task_id, v1::TaskState::Failed, outcome, None);
    }
}

/// Takes a submit; whatever happens, the session gets an answer.
pub(crate) fn admit(node: &Arc<NodeCore>, session: &Arc<Session>, submit: v1::Submit) {
    let id = node.scheduler.next_run();
    node.notice_sleep();
    let named = if session.origin.is_some() { submit.client_task_id } else { submit.task_id };
    if session.register(submit.task_id, named, id) != Registered::New {
        return;
    }
    let deadline = (submit.deadline_ms > 0).then(|| Instant::now() + Duration::from_millis(submit.deadline_ms));
    let alone = node.members.is_alone() && !node.members.is_draining();
    let here = session.origin.is_some() || (alone && routing::is_anywhere(&submit));
    let admission =
        Admission { id, submit, deadline, reply: Reply::Session, payload: None, moves: 0, arrived: Instant::now() };
    if here {
        return admit_here(node, session, admission);
    }
    let task_id = admission.submit.task_id;
    if let Err(error) = route(node, session, admission) {
        refuse(session, task_id, error);
    }
}

/// Finds the nodes for a task.
fn route(node: &Arc<NodeCore>, session: &Arc<Session>, mut admission: Admission) -> Result<()> {
    let all = matches!(
        admission.submit.target.as_ref().and_then(|target| target.target.as_ref()),
        Some(v1::target::Target::All(_))
    );
    if !all {
        match routing::choose(node, &admission.submit)? {
            Place::Here => admit_here(node, session, admission),
            Place::There(peer) => pass_on(node, session, admission, vec![peer])?,
        }
        return Ok(());
    }
    let places = routing::everywhere(node, &admission.submit)?;
    let here = places.iter().any(|place| matches!(place, Place::Here));
    let peers: Vec<Arc<Peer>> = places
        .into_iter()
        .filter_map(|place| match place {
            Place::Here => None,
            Place::There(peer) => Some(peer),
        })
        .collect();
    if peers.is_empty() {
        admit_here(node, session, admission);
        return Ok(());
    }
    admission.reply = Reply::Part(Broadcast::new(peers.len() + usize::from(here)));
    if here {
        // An uploaded argument is taken once, and shared by all nodes.
        admission.take_payload(session)?;
        admit_here(node, session, admission.clone());
    }
    pass_on(node, session, admission, peers)
}

/// Passes a task on when its code is here.
fn pass_on(
    node: &Arc<NodeCore>,
    session: &Arc<Session>,
    mut admission: Admission,
    peers: Vec<Arc<Peer>>,
) -> Result<()> {
    admission.take_payload(session)?;
    if session.code.is_complete(admission.submit.offer_id) {
        let task = Arc::new(admission.into_passed(session));
        peers.into_iter().for_each(|peer| node.relays.pass_on(node, task.clone(), peer));
        return Ok(());
    }
    let (node, session) = (node.clone(), session.clone());
    tokio::spawn(async move {
        let arrived = wait_for_code(&node, &session, &admission).await;
        // Answered: it was cancelled meanwhile. The scheduler need not remember that of a task which it will never see.
        if session.run_of(admission.submit.task_id).is_none() {
            if matches!(admission.reply, Reply::Session) {
                node.scheduler.forget_stopped_early(admission.id);
            }
            return;
        }
        let task = Arc::new(admission.into_passed(&session));
        for peer in peers {
            match &arrived {
                Ok(()) => node.relays.pass_on(&node, task.clone(), peer),
                Err(error) => task.fail(&peer.name(), error.clone()),
            }
        }
    });
    Ok(())
}

/// Finds another node for a task whose node was lost.
pub(crate) fn route_again(node: &Arc<NodeCore>, task: &Passed) {
    let admission = Admission {
        id: task.id,
        submit: task.submit.clone(),
        deadline: task.deadline,
        reply: task.reply.clone(),
        payload: Some(task.payload.clone()),
        moves: task.moves + 1,
        arrived: Instant::now(),
    };
    if let Err(error) = route(node, &task.session, admission) {
        task.fail(&node.name, error);
    }
}

/// Takes a task that runs on this node.
fn admit_here(node: &Arc<NodeCore>, session: &Arc<Session>, admission: Admission) {
    let submit = &admission.submit;
    let code_is_here = session.code.is_complete(submit.offer_id);
    match session.placements.enter(admission, code_is_here) {
        Entrance::Placed(admission, placement) => schedule(node, session, admission, placement),
        Entrance::Waits(None) => drop(node.pulse.arriving.fetch_add(1, Ordering::Relaxed)),
        Entrance::Waits(Some(key)) => {
            node.pulse.arriving.fetch_add(1, Ordering::Relaxed);
            let (node, session) = (node.clone(), session.clone());
            tokio::spawn(async move {
                while let Some(admission) = session.placements.next(&key) {
                    match find_place(&node, &session, &admission).await {
                        Ok(placement) => schedule(&node, &session, admission, placement),
                        Err(error) => admission.fail(&node, &session, error),
                    }
                    node.pulse.arriving.fetch_sub(1, Ordering::Relaxed);
                    tokio::task::coop::consume_budget().await;
                }
            });
        }
    }
}

fn schedule(node: &Arc<NodeCore>, session: &Arc<Session>, admission: Admission, placement: Arc<Placement>) {
    let (task_id, reply) = (admission.submit.task_id, admission.reply.clone());
    match build(session, admission, placement) {
        Ok(run) => node.scheduler.submit(run),
        Err(error) => {
            let outcome = v1::Outcome { node: node.name.clone(), error: Some(error.into()), ..Default::default() };
            reply.answer(session, task_id, v1::TaskState::Failed, outcome, None);
        }
    }
}

async fn find_place(node: &Arc<NodeCore>, session: &Arc<Session>, admission: &Admission) -> Result<Arc<Placement>> {
    let submit = &admission.submit;
    wait_for_code(node, session, admission).await?;
    if let Some(manifest) = &submit.snapshot_manifest {
        node.take_snapshot(session, &submit.snapshot, manifest).await?;
    }
    if let Some(placement) = session.placements.find(submit) {
        return Ok(placement);
    }
    let placed = place(node, session, admission.id, submit, admission.arrived);
    let placement = Arc::new(before(admission.deadline, placed).await?);
    if !placement.isolated && !session.is_ended() {
        session.placements.keep(submit, &placement);
    }
    Ok(placement)
}

/// Ends a wait at the task's deadline: an environment may take minutes to build.
async fn before<T>(deadline: Option<Instant>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(deadline) = deadline else { return work.await };
    tokio::time::timeout_at(deadline.into(), work).await.unwrap_or_else(|_| {
        let message = "the deadline passed before its place was ready";
        Err(Error::new(ErrorKind::DeadlineExceeded, "run a task", message)
            .hint("give it a longer timeout; the first task of an environment waits until that is built"))
    })
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

fn build(session: &Arc<Session>, mut admission: Admission, placement: Arc<Placement>) -> Result<Run> {
    let payload = admission.take_payload(session)?;
    session.note_code(admission.submit.task_id, &placement.code);
    let Admission { id, submit, deadline, reply, .. } = admission;
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
        reply,
    })
}

/// No node takes the task: the answer is that of the whole task, also of a broadcast.
fn refuse(session: &Session, task_id: u64, error: Error) {
    let outcome = v1::Outcome { error: Some(error.into()), ..Default::default() };
    session.answer(task_id, v1::TaskState::Failed, outcome, None);
}
