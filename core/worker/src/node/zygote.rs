//! The node's end of zygotes: warm interpreters that Python workers are forked from; and of templates, which are forked
//! from zygotes and have imported what the tasks of a trust group import.
//!
//! One zygote for each program with the same confinement and limits; one template for each of these and a trust group,
//! and nobody waits for it. Both are replaced after they have died. Their children die with them.

mod attendant;
mod learned;
mod running;
mod template;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use haulier_model::{Error, Result};
use parking_lot::Mutex;
use tokio::{sync::OnceCell, time::Instant};
use tracing::{info, warn};

use self::{
    learned::Learned,
    running::{Child, Zygote},
    template::Refusal,
};
use super::{Preloading, SupervisorOptions, WorkerId, WorkerSpec, spawner::Spawner, supervisor::Started};

/// Zygotes and templates at a time; beyond that the one goes that was not used for longest, unless all have children.
const MOST: usize = 8;

/// Modules that keep a template from being started, before it is given up for now.
const MOST_REFUSED: usize = 8;

/// What workers that share a zygote have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    program: PathBuf,
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    memory: Option<u64>,
}

impl Kind {
    fn of(spec: &WorkerSpec) -> Self {
        Self {
            program: spec.program.clone(),
            readable: spec.readable.clone(),
            writable: spec.writable.clone(),
            memory: spec.memory,
        }
    }
}

/// What workers that share a template have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TemplateKind {
    zygote: Kind,
    group: Arc<str>,
}

impl TemplateKind {
    fn of(spec: &WorkerSpec, preloading: &Preloading) -> Self {
        Self { zygote: Kind::of(spec), group: preloading.group.clone() }
    }
}

type Cell = Arc<OnceCell<Arc<Zygote>>>;

pub(super) struct Zygotes {
    options: SupervisorOptions,
    spawner: Arc<Spawner>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    zygotes: HashMap<Kind, Cell>,
    /// Those that are ready.
    templates: HashMap<TemplateKind, Arc<Zygote>>,
    /// Templates that are being started.
    starting: usize,
    learned: Learned<TemplateKind>,
}

/// Where a worker tells what its tasks have imported.
pub(super) struct Lessons {
    zygotes: Weak<Zygotes>,
    spec: WorkerSpec,
}

impl Lessons {
    pub(super) fn learn(&self, modules: Vec<String>) {
        if let (Some(zygotes), Some(preloading)) = (self.zygotes.upgrade(), &self.spec.preloading) {
            zygotes.learn(&self.spec, preloading, modules);
        }
    }
}

impl Zygotes {
    pub(super) fn new(options: SupervisorOptions, spawner: Arc<Spawner>) -> Self {
        Self { options, spawner, known: Mutex::default() }
    }

    /// Forks a worker: from a template of its group if there is one that may be used, and `preloaded` says so; else from a
    /// zygote, which is started if there is none that lives.
    pub(super) async fn fork(self: &Arc<Self>, id: WorkerId, spec: &WorkerSpec, preloaded: bool) -> Result<Started> {
        if preloaded && let Some(template) = self.template(spec) {
            match running::fork_worker(template, id, spec).await {
                Ok(started) => return Ok(started),
                Err(error) => warn!(%error, "cannot fork from a template: from its zygote instead"),
            }
        }
        running::fork_worker(self.living(spec).await?, id, spec).await
    }

    /// Where a worker like `spec` tells what it has imported.
    pub(super) fn lessons(self: &Arc<Self>, spec: &WorkerSpec) -> Option<Lessons> {
        spec.preloading.as_ref().map(|_| Lessons { zygotes: Arc::downgrade(self), spec: spec.clone() })
    }

    /// A worker of a template has ended before it was ready: the next ones do without.
    pub(super) fn distrust(&self, spec: &WorkerSpec, error: &Error) {
        let Some(preloading) = &spec.preloading else { return };
        let kind = TemplateKind::of(spec, preloading);
        let mut known = self.known.lock();
        known.learned.give_up(&kind);
        if let Some(template) = known.templates.remove(&kind) {
            let modules = template.preloaded.as_ref().map(|preloaded| preloaded.modules.join(" ")).unwrap_or_default();
            warn!(%error, modules, "a worker that had these modules from the beginning did not start: not again");
        }
    }

    /// Ends zygotes and templates without children that were not used for `limit`.
    pub(super) fn end_idle(&self, limit: Duration) {
        let mut known = self.known.lock();
        known.templates.retain(|kind, template| {
            let goes = is_unused(template) && (template.has_ended() || template.used.lock().elapsed() >= limit);
            if goes {
                info!(program = %kind.zygote.program.display(), group = %kind.group, "an idle template ends");
            }
            !goes
        });
        known.zygotes.retain(|kind, cell| {
            let goes = is_idle(cell) && used(cell).is_none_or(|used| used.elapsed() >= limit);
            if goes {
                info!(program = %kind.program.display(), "an idle zygote ends");
            }
            !goes
        });
    }

    /// Forgets the zygotes and templates of a program; each ends with its last child.
    pub(super) fn forget(&self, program: &Path) {
        let mut known = self.known.lock();
        known.learned.retain(|kind| kind.zygote.program != program);
        known.templates.retain(|kind, _| kind.zygote.program != program);
        known.zygotes.retain(|kind, _| kind.program != program);
    }

    async fn living(&self, spec: &WorkerSpec) -> Result<Child> {
        let kind = Kind::of(spec);
        let cell = {
            let mut known = self.known.lock();
            if !known.zygotes.contains_key(&kind) {
                known.make_room();
            }
            let cell = known.zygotes.entry(kind).or_default();
            if cell.get().is_some_and(|zygote| zygote.has_ended()) {
                *cell = Cell::default();
            }
            cell.clone()
        };
        let zygote = cell.get_or_try_init(|| running::start(&self.spawner, &self.options, spec)).await?;
        Ok(Child(zygote.clone()))
    }

    /// The template for a worker like `spec`, unless its class path has one of its names. Sees to it that there will be
    /// one.
    fn template(self: &Arc<Self>, spec: &WorkerSpec) -> Option<Child> {
        let preloading = spec.preloading.as_ref()?;
        let kind = TemplateKind::of(spec, preloading);
        let mut known = self.known.lock();
        self.see_to(&mut known, kind.clone(), spec, preloading);
        let template = known.templates.get(&kind).filter(|template| !template.has_ended())?;
        let names = &template.preloaded.as_ref()?.names;
        preloading.own_names.is_disjoint(names).then(|| Child(template.clone()))
    }

    fn learn(self: &Arc<Self>, spec: &WorkerSpec, preloading: &Preloading, modules: Vec<String>) {
        let kind = TemplateKind::of(spec, preloading);
        let mut known = self.known.lock();
        known.learned.learn(&kind, modules, Instant::now());
        self.see_to(&mut known, kind, spec, preloading);
    }

    /// Begins to start a template, if there is none that has imported what is known, and not too soon after the last one.
    fn see_to(self: &Arc<Self>, known: &mut Known, kind: TemplateKind, spec: &WorkerSpec, preloading: &Preloading) {
        let current = known.templates.get(&kind).filter(|template| !template.has_ended());
        let current = current.and_then(|template| Some(template.preloaded.as_ref()?.modules.as_slice()));
        let due = known.learned.due(&kind, current, preloading.pause, Instant::now());
        let Some(modules) = due else { return };
        if !known.make_room() {
            known.learned.started(&kind);
            info!(group = %kind.group, "no template: {MOST} zygotes and templates have children");
            return;
        }
        known.starting += 1;
        let (zygotes, spec, preloading) = (Arc::downgrade(self), spec.clone(), preloading.clone());
        tokio::spawn(async move {
            let template = start_template(&zygotes, &kind, &spec, &preloading, modules).await;
            if let Some(zygotes) = zygotes.upgrade() {
                zygotes.known.lock().template_started(kind, template);
            }
        });
    }
}

impl Known {
    /// Makes room for one more; false if all have children.
    fn make_room(&mut self) -> bool {
        self.templates.retain(|_, template| !template.has_ended());
        if self.zygotes.len() + self.templates.len() + self.starting < MOST {
            return true;
        }
        let zygote = self.zygotes.iter().filter(|(_, cell)| is_idle(cell)).min_by_key(|(_, cell)| used(cell));
        let zygote = zygote.map(|(kind, cell)| (kind.clone(), used(cell)));
        let unused = self.templates.iter().filter(|(_, template)| is_unused(template));
        let template = unused.min_by_key(|(_, template)| *template.used.lock());
        let template = template.map(|(kind, template)| (kind.clone(), *template.used.lock()));
        match (zygote, template) {
            (zygote, Some((kind, used))) if zygote.as_ref().is_none_or(|(_, of_zygote)| Some(used) < *of_zygote) => {
                let program = kind.zygote.program.display();
                info!(%program, group = %kind.group, "a template makes room for another zygote or template");
                self.templates.remove(&kind).is_some()
            }
            (Some((kind, _)), _) => {
                info!(program = %kind.program.display(), "a zygote makes room for another one");
                self.zygotes.remove(&kind).is_some()
            }
            (None, _) => false,
        }
    }

    /// A template is there, or could not be started. The one before it ends with its last child.
    fn template_started(&mut self, kind: TemplateKind, template: Option<Arc<Zygote>>) {
        self.starting -= 1;
        let wanted = self.learned.started(&kind);
        if let Some(template) = template.filter(|_| wanted) {
            self.templates.insert(kind, template);
        }
    }
}

/// Starts a template, if need be without the modules that are in its way.
async fn start_template(
    zygotes: &Weak<Zygotes>,
    kind: &TemplateKind,
    spec: &WorkerSpec,
    preloading: &Preloading,
    mut modules: Vec<String>,
) -> Option<Arc<Zygote>> {
    for _ in 0..=MOST_REFUSED {
        let Refusal { module, problem } = {
            let parent = zygotes.upgrade()?.living(spec).await;
            match parent {
                Ok(parent) => match template::start(parent, spec, preloading, modules).await {
                    Ok(template) => return Some(template),
                    Err(refusal) => refusal,
                },
                Err(error) => Refusal { module: None, problem: error.to_string() },
            }
        };
        warn!(group = %kind.group, module, problem, "a template could not be started");
        modules = zygotes.upgrade()?.known.lock().learned.refuse(kind, &module?);
        if modules.is_empty() {
            return None;
        }
    }
    None
}

/// Whether a zygote could end without harm: it has no children, and nobody waits for it.
fn is_idle(cell: &Cell) -> bool {
    Arc::strong_count(cell) == 1 && cell.get().is_none_or(is_unused)
}

fn is_unused(zygote: &Arc<Zygote>) -> bool {
    Arc::strong_count(zygote) == 1
}

fn used(cell: &Cell) -> Option<Instant> {
    cell.get().map(|zygote| *zygote.used.lock())
}
