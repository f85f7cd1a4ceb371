//! Where the nodes of the cluster are: the addresses that were given, and what nodes say of each other.

use std::sync::Arc;

use haulier_protocol::v1;
use tokio::sync::watch;

pub(crate) struct Places {
    given: Vec<String>,
    /// The last list that a node sent.
    learnt: watch::Sender<Arc<[v1::Node]>>,
}

impl Places {
    /// `given`: addresses with ports, in the order in which they are tried.
    pub(crate) fn new(given: Vec<String>) -> Self {
        Self { given, learnt: watch::Sender::new(Arc::new([])) }
    }

    pub(crate) fn given(&self) -> &[String] {
        &self.given
    }

    pub(crate) fn learn(&self, nodes: Vec<v1::Node>) {
        self.learnt.send_replace(nodes.into());
    }

    /// The nodes as they were last told; empty before that.
    fn nodes(&self) -> Arc<[v1::Node]> {
        self.learnt.borrow().clone()
    }

    /// Follows the nodes as they are told; empty before that.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<[v1::Node]>> {
        self.learnt.subscribe()
    }

    /// Where else to go than `current`: the given addresses first, then those of the other nodes; nodes that take no
    /// tasks come last, because what was told of them may be old.
    pub(crate) fn others(&self, current: &str) -> Vec<String> {
        let nodes = self.nodes();
        let in_state = |state: fn(v1::NodeState) -> bool| {
            nodes.iter().filter(move |node| state(node.state())).map(|node| node.address.clone())
        };
        let takes_tasks = |state| matches!(state, v1::NodeState::Alive | v1::NodeState::Unspecified);
        let mut others: Vec<String> = Vec::new();
        let last =
            in_state(|state| state == v1::NodeState::Draining).chain(in_state(|state| state == v1::NodeState::Lost));
        for address in self.given.iter().cloned().chain(in_state(takes_tasks)).chain(last) {
            if address != current && !address.is_empty() && !others.contains(&address) {
                others.push(address);
            }
        }
        others
    }

    /// Whether there is somewhere else to go than `current`.
    pub(crate) fn has_others(&self, current: &str) -> bool {
        !self.others(current).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_addresses_come_first_and_doubtful_nodes_last() {
        let places = Places::new(vec!["a:1".into(), "b:1".into()]);
        assert_eq!(places.others("a:1"), ["b:1"]);
        assert!(places.has_others("b:1") && !Places::new(vec!["a:1".into()]).has_others("a:1"));
        let node = |address: &str, state: v1::NodeState| v1::Node {
            name: address.into(),
            address: address.into(),
            state: state.into(),
            ..Default::default()
        };
        places.learn(vec![
            node("lost:1", v1::NodeState::Lost),
            node("draining:1", v1::NodeState::Draining),
            node("c:1", v1::NodeState::Alive),
            node("b:1", v1::NodeState::Alive),
            node("", v1::NodeState::Alive),
        ]);
        assert_eq!(places.others("c:1"), ["a:1", "b:1", "draining:1", "lost:1"]);
        assert_eq!(places.others("a:1"), ["b:1", "c:1", "draining:1", "lost:1"]);
    }
}
