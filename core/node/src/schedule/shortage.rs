//! What the log says of a pool that cannot have the workers it wants: once when that begins, and once when it is over,
//! however often it is tried meanwhile. Knows neither tasks nor workers.

use std::time::Instant;

use haulier_model::{Error, ErrorKind, Language};

/// Nothing while a pool has what it wants.
#[derive(Default)]
pub(crate) struct Shortage(Option<Lack>);

struct Lack {
    since: Instant,
    attempts: u32,
    /// The reasons that were given. There are few kinds of them.
    said: Vec<ErrorKind>,
}

impl Shortage {
    /// A further worker could not be started. A reason of another kind is said, too.
    pub(crate) fn lacks(&mut self, error: &Error, language: Language, now: Instant) {
        let lack = self.0.get_or_insert_with(|| Lack { since: now, attempts: 0, said: Vec::new() });
        lack.attempts = lack.attempts.saturating_add(1);
        let (language, attempts) = (language.name(), lack.attempts);
        if lack.said.contains(&error.kind()) {
            tracing::debug!(%error, language, attempts, "a further worker could not be started either");
        } else {
            lack.said.push(error.kind());
            tracing::warn!(%error, language, "a further worker could not be started; tasks wait for those that there are");
        }
    }

    /// The pool has what it wants, or wants no more.
    pub(crate) fn end(&mut self, language: Language, now: Instant) {
        let Some(Lack { since, attempts, .. }) = self.0.take() else { return };
        let milliseconds = now.duration_since(since).as_millis();
        tracing::debug!(language = language.name(), attempts, milliseconds, "no further workers are wanted any more");
    }
}
