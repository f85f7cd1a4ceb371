//! Where a name comes from: what `haulier explain` asks.

use std::fmt;

use haulier_model::{Digest, Error, Language, LoadingPolicy, Result};
use haulier_protocol::{MESSAGE_LIMIT, v1};
use v1::module_service_client::ModuleServiceClient;

use crate::Cluster;

/// What is to be explained: a name, and the class path that a task would have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// A class ("com.acme.Price"), a resource ("com/acme/prices.csv") or a module ("acme.price").
    pub name: String,
    /// References of units, in their order.
    pub units: Vec<String>,
    /// A session of this identity at the node that this client is connected to; its code comes after the units. Empty:
    /// none.
    pub session: String,
    /// The beginning of a snapshot's digest in hexadecimal; empty: the session's newest.
    pub snapshot: String,
    /// Default: the language whose roots have the name, Java before Python.
    pub language: Option<Language>,
    /// Default: child-first.
    pub policy: LoadingPolicy,
    /// As of [`Task::parent_first`](crate::Task::parent_first).
    pub parent_prefixes: Vec<String>,
    /// A task of this identity that runs on any node, or has ended in the last ten minutes: "SESSION/NUMBER", as the
    /// error of a task says it. Then the name is enough: the rest is that of the task. The node that ran it is asked.
    pub task: String,
}

/// Where a name comes from, and why. As text it has several lines: verdict, rule, every place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The name as it is written in its language.
    pub name: String,
    /// "class", "resource" or "module".
    pub kind: String,
    /// What gives it, in one line.
    pub verdict: String,
    /// What decides who is asked.
    pub rule: String,
    /// The roots that have it, in the order in which they are searched. The first one counts.
    pub places: Vec<ExplainedPlace>,
    /// Where none has it: the labels of all roots.
    pub searched: Vec<String>,
    /// Where none has it: names that look like it.
    pub nearest: Vec<String>,
    text: String,
}

/// A root that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplainedPlace {
    /// The root: "pricing:1.2.0/pricing.jar".
    pub label: String,
    /// The entry, or, with "/" at its end, the folder of a namespace package.
    pub path: String,
    /// What its bytes hash to; `None` for a folder.
    pub digest: Option<Digest>,
    /// Its bytes.
    pub size: u64,
    /// Whether the root is of the session.
    pub peer: bool,
}

impl Cluster {
    /// Says where a class, a resource or a module comes from: which root gives it, which others have it too, and which
    /// rule decides. Loads nothing.
    ///
    /// ```no_run
    /// # async fn example(cluster: haulier::Cluster) -> haulier::Result<()> {
    /// use haulier::Question;
    ///
    /// let question = Question { name: "com.acme.Price".into(), units: vec!["pricing".into()], ..Question::default() };
    /// println!("{}", cluster.explain(question).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Errors: `NotFound` for a unit, a session or a task that is not there, `InvalidArgument` without any of them,
    /// `Unavailable` where the node that ran the task is lost.
    pub async fn explain(&self, question: Question) -> Result<Explanation> {
        let Question { name, units, session, snapshot, language, policy, parent_prefixes, task } = question;
        let operation = format!("explain {name}");
        let request = v1::ExplainRequest {
            name,
            units,
            session_id: session,
            snapshot,
            language: language.map_or(v1::Language::Unspecified, v1::Language::from).into(),
            policy: v1::LoadingPolicy::from(policy).into(),
            parent_prefixes,
            task,
        };
        self.ask(operation, async move |line, operation| {
            let mut client = ModuleServiceClient::new(line.data.clone()).max_decoding_message_size(MESSAGE_LIMIT);
            let answer = client.explain(line.route.request(request)).await;
            answer.map_err(|status| line.route.refused(&status, &operation))?.into_inner().try_into()
        })
        .await
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<v1::ExplainResponse> for Explanation {
    type Error = Error;

    fn try_from(answer: v1::ExplainResponse) -> Result<Self> {
        let place = |place: v1::ExplainedPlace| {
            let v1::ExplainedPlace { label, path, digest, size, peer } = place;
            let digest = if digest.is_empty() { None } else { Some(Digest::from_slice(&digest)?) };
            Ok(ExplainedPlace { label, path, digest, size, peer })
        };
        let v1::ExplainResponse { name, kind, verdict, rule, places, searched, nearest, text } = answer;
        let places = places.into_iter().map(place).collect::<Result<_>>()?;
        Ok(Self { name, kind, verdict, rule, places, searched, nearest, text })
    }
}
