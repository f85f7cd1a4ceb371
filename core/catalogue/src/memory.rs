//! The catalogue that is gone with its process: for tests, and the model that the others are compared with.

use std::collections::BTreeMap;

use async_trait::async_trait;
use haulier_model::Result;
use parking_lot::RwLock;

use crate::{
    Catalogue, OperationId, Record, Revision,
    record::{self, Verdict},
};

/// A catalogue in memory.
#[derive(Debug, Default)]
pub struct MemoryCatalogue {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    revision: Revision,
    records: BTreeMap<String, Record>,
}

#[async_trait]
impl Catalogue for MemoryCatalogue {
    async fn get(&self, key: &str) -> Result<Option<Record>> {
        record::check_key(key)?;
        Ok(self.state.read().records.get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Record>> {
        Ok(with_prefix(&self.state.read().records, prefix))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        operation: OperationId,
    ) -> Result<Revision> {
        record::check_key(key)?;
        record::check_value(key, &value)?;
        let mut state = self.state.write();
        let current = state.records.get(key).map(|record| (record.revision, record.operation));
        if let Verdict::AlreadyDone(revision) = record::judge_set(key, current, expected, operation)? {
            return Ok(revision);
        }
        state.revision += 1;
        let revision = state.revision;
        state.records.insert(key.to_owned(), Record { key: key.to_owned(), value, revision, operation });
        Ok(revision)
    }

    async fn delete(&self, key: &str, expected: Revision, _operation: OperationId) -> Result<()> {
        record::check_key(key)?;
        let mut state = self.state.write();
        let current = state.records.get(key).map(|record| record.revision);
        if record::judge_delete(key, current, expected)? {
            state.records.remove(key);
        }
        Ok(())
    }
}

/// The records whose key begins with `prefix`, in order.
pub(crate) fn with_prefix(records: &BTreeMap<String, Record>, prefix: &str) -> Vec<Record> {
    let from_prefix = records.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
    from_prefix.take_while(|(key, _)| key.starts_with(prefix)).map(|(_, record)| record.clone()).collect()
}
