//! `haulier explain`.

use haulier::{Cluster, LoadingPolicy, Question, Result};
use serde_json::json;

use crate::{
    arguments::{Explain, Format, Language, Policy},
    output,
};

pub(super) async fn explain(cluster: &Cluster, arguments: Explain) -> Result<()> {
    let Explain { name, unit, session, job, snapshot, language, policy, parent_first, connection } = arguments;
    let question = Question {
        name,
        units: unit,
        session: session.unwrap_or_default(),
        snapshot: snapshot.unwrap_or_default(),
        language: language.map(|language| match language {
            Language::Java => haulier::Language::Java,
            Language::Python => haulier::Language::Python,
        }),
        policy: match policy {
            Policy::ChildFirst => LoadingPolicy::ChildFirst,
            Policy::ParentFirst => LoadingPolicy::ParentFirst,
            Policy::SelfOnly => LoadingPolicy::SelfOnly,
        },
        parent_prefixes: parent_first,
        task: job.unwrap_or_default(),
    };
    let explanation = cluster.explain(question).await?;
    match connection.output {
        Format::Table => output::say(&explanation.to_string()),
        Format::Json => {
            let place = |place: &haulier::ExplainedPlace| {
                json!({
                    "label": place.label,
                    "path": place.path,
                    "digest": place.digest.map(|digest| digest.to_string()),
                    "size": place.size,
                    "peer": place.peer,
                })
            };
            output::say_json(&json!({
                "name": explanation.name,
                "kind": explanation.kind,
                "verdict": explanation.verdict,
                "rule": explanation.rule,
                "places": explanation.places.iter().map(place).collect::<Vec<_>>(),
                "searched": explanation.searched,
                "nearest": explanation.nearest,
            }));
        }
    }
    Ok(())
}
