//! Handles: numbers that Java holds instead of pointers. A number that is closed or was never given is an error.

use std::{
    collections::HashMap,
    sync::{
        LazyLock,
        atomic::{AtomicI64, Ordering},
    },
};

use haulier_model::{Error, ErrorKind, Result};
use parking_lot::RwLock;

/// Numbers are never used twice, in no table: a handle of one kind is none of another.
static NEXT: AtomicI64 = AtomicI64::new(1);

/// The objects of one kind that Java holds; clones share one object.
pub(crate) struct Handles<T> {
    /// What a handle stands for: "connection".
    what: &'static str,
    objects: LazyLock<RwLock<HashMap<i64, T>>>,
}

impl<T: Clone> Handles<T> {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, objects: LazyLock::new(RwLock::default) }
    }

    pub(crate) fn open(&self, object: T) -> i64 {
        let handle = NEXT.fetch_add(1, Ordering::Relaxed);
        self.objects.write().insert(handle, object);
        handle
    }

    /// The object, which lives as long as the caller holds it, even if the handle is closed meanwhile.
    pub(crate) fn get(&self, handle: i64, operation: &str) -> Result<T> {
        let found = self.objects.read().get(&handle).cloned();
        found.ok_or_else(|| {
            Error::new(ErrorKind::Closed, operation, format!("the {} was closed", self.what))
                .hint("connect again: Haulier.connect(address)")
        })
    }

    pub(crate) fn close(&self, handle: i64) -> Option<T> {
        self.objects.write().remove(&handle)
    }

    /// Closes every object for which `unwanted` holds, and returns them.
    pub(crate) fn close_all(&self, unwanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.objects.write().extract_if(|_, object| unwanted(object)).map(|(_, object)| object).collect()
    }
}
