//! What bindings submit, sent and awaited as a binding does: by a completion.
use haulier::{Cluster, NodeOutcome, Result, Submission, Value};

/// Submits, and waits for what each node answers: its name with the result as a value.
///
/// # Errors
/// Those of the submit, or of the task as a whole.
///
/// # Panics
/// If there is no completion at all.
pub async fn answers(cluster: &Cluster, submission: Submission) -> Result<Vec<(String, Result<Value>)>> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    cluster.submit(submission, Box::new(move |outcome| drop(sender.send(outcome))))?;
    let outcomes: Vec<NodeOutcome> = receiver.await.expect("a completion")?;
    let read =
        |outcome: NodeOutcome| (outcome.node, outcome.result.and_then(|output| haulier::decode_value(&output.payload)));
    Ok(outcomes.into_iter().map(read).collect())
}

/// The same for a task that runs on one node.
///
/// # Errors
/// Those of [`answers`], and of the task.
///
/// # Panics
/// As [`answers`].
pub async fn answer(cluster: &Cluster, submission: Submission) -> Result<Value> {
    answers(cluster, submission).await?.into_iter().next().expect("one outcome").1
}
