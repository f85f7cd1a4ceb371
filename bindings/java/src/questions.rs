//! The questions that `io.haulier.client.Question` lists: their arguments as texts, their answers as fields of records.
//!
//! Converts and calls. One native function serves them all: each is an ordinal and a row of texts.

use std::{str::FromStr, time::Duration};

use haulier::{Cluster, Promotion, Question};
use haulier_model::{Error, Result};

use crate::records;

/// The ordinals of `io.haulier.client.Question`.
const NODES: i32 = 0;
const UNITS: i32 = 1;
const UNIT: i32 = 2;
const UNDEPLOY: i32 = 3;
const SET_ALIAS: i32 = 4;
const REMOVE_ALIAS: i32 = 5;
const WAIT_FOR_UNIT: i32 = 6;
const PROMOTE: i32 = 7;
const SESSIONS: i32 = 8;
const COLLECT_GARBAGE: i32 = 9;
const WATCH_STORAGE: i32 = 10;
const UNWATCH_STORAGE: i32 = 11;
const WATCHED_STORAGES: i32 = 12;
const EXPLAIN: i32 = 13;
const DOWNLOAD: i32 = 14;
const EXPLAIN_TASK: i32 = 15;
const CONTINUOUS_CODE: i32 = 16;

/// Asks the cluster.
pub(crate) async fn ask(cluster: Cluster, question: i32, arguments: Vec<String>) -> Result<Vec<String>> {
    let mut given = Arguments(arguments.into_iter());
    match question {
        NODES => Ok(records::nodes(&cluster.nodes().await?)),
        SESSIONS => Ok(records::sessions(&cluster.sessions().await?)),
        CONTINUOUS_CODE => Ok(records::continuous(&cluster.continuous_code().await?)),
        COLLECT_GARBAGE => Ok(records::garbage(cluster.collect_garbage(given.parsed()?).await?)),
        EXPLAIN => {
            let (name, session) = (given.text()?, given.text()?);
            let units = given.0.collect();
            let question = Question { name, session, units, ..Question::default() };
            Ok(records::explanation(&cluster.explain(question).await?))
        }
        EXPLAIN_TASK => {
            let question = Question { name: given.text()?, task: given.text()?, ..Question::default() };
            Ok(records::explanation(&cluster.explain(question).await?))
        }
        DOWNLOAD => {
            let (reference, folder, force) = (given.text()?, given.text()?, given.parsed()?);
            let written = cluster.download(&reference, folder, force).await?;
            Ok(written.iter().map(|path| path.display().to_string()).collect())
        }
        WATCH_STORAGE | UNWATCH_STORAGE | WATCHED_STORAGES => ask_for_watches(cluster, question, given).await,
        _ => ask_for_units(cluster, question, given).await,
    }
}

async fn ask_for_units(cluster: Cluster, question: i32, mut given: Arguments) -> Result<Vec<String>> {
    let units = match question {
        UNITS => cluster.list_units(&given.text()?).await?,
        UNIT => return Ok(records::details(&cluster.inspect(&given.text()?).await?)),
        UNDEPLOY => cluster.undeploy(&given.text()?, given.parsed()?).await?,
        SET_ALIAS => vec![cluster.set_alias(&given.text()?, &given.text()?, &given.text()?).await?.0],
        REMOVE_ALIAS => return Ok(vec![cluster.remove_alias(&given.text()?, &given.text()?).await?]),
        WAIT_FOR_UNIT => vec![cluster.wait_for_unit(&given.text()?, &given.text()?, given.time()?).await?],
        PROMOTE => {
            let session = given.text()?;
            let promotion = Promotion {
                name: given.text()?,
                version: given.text()?,
                snapshot: given.text()?,
                replace: given.parsed()?,
                nodes: given.text()?,
            };
            vec![cluster.promote(&session, promotion).await?]
        }
        other => return Err(Error::internal("ask a node", format!("{other} is no question"))),
    };
    Ok(records::units(&units))
}

async fn ask_for_watches(cluster: Cluster, question: i32, mut given: Arguments) -> Result<Vec<String>> {
    let watches = match question {
        WATCH_STORAGE => vec![cluster.watch_storage(&given.text()?, given.time()?, given.time()?).await?],
        UNWATCH_STORAGE => vec![cluster.unwatch_storage(&given.text()?, given.parsed()?).await?],
        _ => cluster.watched_storages().await?,
    };
    Ok(records::watches(&watches))
}

/// The texts of a question, one after the other.
struct Arguments(std::vec::IntoIter<String>);

impl Arguments {
    fn text(&mut self) -> Result<String> {
        self.0.next().ok_or_else(|| Error::internal("ask a node", "an argument is missing"))
    }

    fn parsed<T: FromStr>(&mut self) -> Result<T> {
        let text = self.text()?;
        text.parse().map_err(|_| Error::internal("ask a node", format!("'{text}' is no such argument")))
    }

    /// Given in milliseconds.
    fn time(&mut self) -> Result<Duration> {
        self.parsed().map(Duration::from_millis)
    }
}
