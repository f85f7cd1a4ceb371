//! Where the tasks of a session run, kept by what their submits say; and the order of those that must wait for it.
//!
//! Pure state: it finds no place itself.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use bytes::Bytes;
use haulier_model::ClassPathSource;
use haulier_protocol::v1;
use parking_lot::Mutex;

use crate::{admission::Admission, run::Placement};

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
pub(crate) struct PlacementKey {
    language: i32,
    units: Vec<String>,
    snapshot: Bytes,
    policy: i32,
    mode: i32,
    parent_prefixes: Vec<String>,
    requires: Vec<String>,
    requirements: Vec<String>,
    environment: i32,
}

impl PlacementKey {
    fn of(submit: &v1::Submit) -> Self {
        Self {
            language: submit.language,
            units: submit.units.clone(),
            snapshot: submit.snapshot.clone(),
            policy: submit.policy,
            mode: submit.mode,
            parent_prefixes: submit.parent_prefixes.clone(),
            requires: submit.requires.clone(),
            requirements: submit.requirements.clone(),
            environment: submit.environment,
        }
    }

    fn is_of(&self, submit: &v1::Submit) -> bool {
        self.snapshot == submit.snapshot
            && self.units == submit.units
            && self.language == submit.language
            && self.policy == submit.policy
            && self.mode == submit.mode
            && self.parent_prefixes == submit.parent_prefixes
            && self.requires == submit.requires
            && self.environment == submit.environment
            && self.requirements == submit.requirements
    }
}

/// What a submit finds.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and moves to its run at once")]
pub(crate) enum Entrance {
    /// Its place is known.
    Placed(Admission, Arc<Placement>),
    /// It waits in a lane; who gets a key drains that lane.
    Waits(Option<PlacementKey>),
}

impl Placements {
    /// Finds the place of a submit whose code is here, or puts it into its lane.
    pub(crate) fn enter(&self, admission: Admission, code_is_here: bool) -> Entrance {
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
    pub(crate) fn next(&self, key: &PlacementKey) -> Option<Admission> {
        let mut state = self.0.lock();
        let position = state.lanes.iter().position(|(of, _)| of == key)?;
        let next = state.lanes[position].1.pop_front();
        if next.is_none() {
            state.lanes.swap_remove(position);
        }
        next
    }

    pub(crate) fn find(&self, submit: &v1::Submit) -> Option<Arc<Placement>> {
        self.0.lock().find(submit)
    }

    pub(crate) fn keep(&self, submit: &v1::Submit, placement: &Arc<Placement>) {
        let forgotten = {
            let kept = &mut self.0.lock().kept;
            kept.insert(0, (PlacementKey::of(submit), placement.clone()));
            (kept.len() > KEPT_PLACEMENTS).then(|| kept.pop())
        };
        drop(forgotten);
    }

    /// Forgets those that use units: a deployment has changed.
    pub(crate) fn forget_units(&self) {
        self.forget(|key, _| !key.units.is_empty());
    }

    /// Forgets those with a source on their class path.
    pub(crate) fn forget_source(&self, source: ClassPathSource) {
        self.forget(|_, placement| placement.class_path.class_path.sources.contains(&source));
    }

    /// Forgets those that run with one of these programs.
    pub(crate) fn forget_programs(&self, programs: &[PathBuf]) {
        self.forget(|_, placement| placement.live.runs_with(programs));
    }

    fn forget(&self, goes: impl Fn(&PlacementKey, &Placement) -> bool) {
        let forgotten: Vec<_> = {
            let kept = &mut self.0.lock().kept;
            let (gone, stays) = kept.drain(..).partition(|(key, placement)| goes(key, placement));
            *kept = stays;
            gone
        };
        drop(forgotten);
    }

    /// Forgets all of them: the session has ended.
    pub(crate) fn end(&self) {
        let forgotten = std::mem::take(&mut self.0.lock().kept);
        drop(forgotten);
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
