//! What tasks import, by interpreter and trust group: what their next template imports before them. Pure.
//!
//! The names come from workers, so there is a bound on each, on how many there are, and on how many groups have some.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

/// Names of one trust group; further ones are not learned.
const MOST_MODULES: usize = 64;
/// Characters of a name.
const LONGEST_MODULE: usize = 100;
/// Trust groups; beyond that the one is forgotten of which nothing was heard for longest.
const MOST_GROUPS: usize = 256;

pub(super) struct Learned<K> {
    known: HashMap<K, Modules>,
}

impl<K> Default for Learned<K> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

struct Modules {
    /// In the order in which they were heard of.
    wanted: Vec<String>,
    /// Those that cannot be preloaded.
    refused: Vec<String>,
    /// A template is being started.
    starting: bool,
    /// When the last one was begun.
    begun: Option<Instant>,
    used: Instant,
}

impl<K: Clone + Eq + Hash> Learned<K> {
    /// Tasks have imported these.
    pub(super) fn learn(&mut self, key: &K, modules: Vec<String>, now: Instant) {
        if !self.known.contains_key(key) && self.known.len() >= MOST_GROUPS {
            self.forget_oldest();
        }
        let known = self.known.entry(key.clone()).or_insert_with(|| Modules::new(now));
        known.used = now;
        for module in modules.into_iter().take(MOST_MODULES).filter(|module| is_module(module)) {
            let is_new = !known.wanted.contains(&module) && !known.refused.contains(&module);
            if is_new && known.wanted.len() + known.refused.len() < MOST_MODULES {
                known.wanted.push(module);
            }
        }
    }

    /// What a template is to be started with now: nothing if `current` has it all, or another one was begun less than
    /// `pause` ago. [`Self::started`] must follow.
    pub(super) fn due(
        &mut self,
        key: &K,
        current: Option<&[String]>,
        pause: Duration,
        now: Instant,
    ) -> Option<Vec<String>> {
        let known = self.known.get_mut(key)?;
        known.used = now;
        let lacks = !known.wanted.is_empty() && current.is_none_or(|current| current != known.wanted);
        if !lacks || known.starting || known.begun.is_some_and(|begun| now.duration_since(begun) < pause) {
            return None;
        }
        known.starting = true;
        known.begun = Some(now);
        Some(known.wanted.clone())
    }

    /// This one cannot be preloaded; returns the others.
    pub(super) fn refuse(&mut self, key: &K, module: &str) -> Vec<String> {
        let Some(known) = self.known.get_mut(key) else { return Vec::new() };
        known.wanted.retain(|wanted| wanted != module);
        known.refused.push(module.to_owned());
        known.wanted.clone()
    }

    /// None of these can be preloaded.
    pub(super) fn give_up(&mut self, key: &K) {
        if let Some(known) = self.known.get_mut(key) {
            known.refused.append(&mut known.wanted);
        }
    }

    /// A template was started, or could not be. False: it was forgotten meanwhile, and nobody wants it.
    pub(super) fn started(&mut self, key: &K) -> bool {
        self.known.get_mut(key).map(|known| known.starting = false).is_some()
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&K) -> bool) {
        self.known.retain(|key, _| stays(key));
    }

    fn forget_oldest(&mut self) {
        let idle = self.known.iter().filter(|(_, modules)| !modules.starting);
        if let Some(oldest) = idle.min_by_key(|(_, modules)| modules.used).map(|(key, _)| key.clone()) {
            self.known.remove(&oldest);
        }
    }
}

impl Modules {
    fn new(now: Instant) -> Self {
        Self { wanted: Vec::new(), refused: Vec::new(), starting: false, begun: None, used: now }
    }
}

/// "numpy", "scipy.stats": what an import statement may name.
fn is_module(name: &str) -> bool {
    let is_identifier = |part: &str| {
        part.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    name.len() <= LONGEST_MODULE && name.split('.').all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_are_modules() {
        for name in ["numpy", "scipy.stats", "_private", "größe", "a1"] {
            assert!(is_module(name), "{name}");
        }
        for name in ["", ".", "a.", "..a", "1a", "a b", "a;b", "a\nb", "../a", &"a".repeat(101)] {
            assert!(!is_module(name), "{name}");
        }
    }

    #[test]
    fn what_is_learned_is_bounded() {
        let (mut learned, now) = (Learned::default(), Instant::now());
        let many: Vec<String> = (0..1000).map(|number| format!("module{number}")).collect();
        learned.learn(&1, many.clone(), now);
        learned.learn(&1, many[100..].to_vec(), now);
        learned.learn(&1, names(&["no module"]), now);
        assert_eq!(learned.due(&1, None, PAUSE, now).unwrap().len(), MOST_MODULES);
        for group in 2..1000 {
            learned.learn(&group, names(&["numpy"]), now + Duration::from_secs(group));
        }
        assert_eq!(learned.known.len(), MOST_GROUPS);
        assert!(learned.known.contains_key(&1), "its template is being started");
        assert!(!learned.known.contains_key(&2) && learned.known.contains_key(&999));
    }

    #[test]
    fn templates_are_started_rarely() {
        let (mut learned, now) = (Learned::default(), Instant::now());
        assert_eq!(learned.due(&1, None, PAUSE, now), None);
        learned.learn(&1, names(&["numpy", "numpy", "pandas"]), now);
        assert_eq!(learned.due(&1, None, PAUSE, now), Some(names(&["numpy", "pandas"])));
        assert_eq!(learned.due(&1, None, PAUSE, now + PAUSE), None, "one is being started");
        assert!(learned.started(&1));
        let first = names(&["numpy", "pandas"]);
        assert_eq!(learned.due(&1, Some(&first), PAUSE, now + PAUSE), None, "it has all");
        learned.learn(&1, names(&["scipy.stats"]), now);
        assert_eq!(learned.due(&1, Some(&first), PAUSE, now + PAUSE / 2), None, "too early");
        let all = names(&["numpy", "pandas", "scipy.stats"]);
        assert_eq!(learned.due(&1, Some(&first), PAUSE, now + PAUSE), Some(all));
    }

    #[test]
    fn what_was_refused_is_not_tried_again() {
        let (mut learned, now) = (Learned::default(), Instant::now());
        learned.learn(&1, names(&["numpy", "threads"]), now);
        assert_eq!(learned.refuse(&1, "threads"), names(&["numpy"]));
        learned.learn(&1, names(&["threads"]), now);
        assert_eq!(learned.due(&1, None, PAUSE, now), Some(names(&["numpy"])));
        learned.give_up(&1);
        assert!(learned.started(&1));
        learned.learn(&1, names(&["numpy"]), now);
        assert_eq!(learned.due(&1, None, PAUSE, now + PAUSE), None);
        learned.retain(|_| false);
        assert!(!learned.started(&1));
    }
}
