//! A member that dies, hangs or cannot be reached: the others know within seconds, nobody waits for it for ever, and it
//! takes tasks again when it is back.
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use haulier::{Cluster, Error, ErrorKind, Task};
use haulier_testkit::{
    Gate, Held, NodeOptions, Proxy, TestCluster,
    cluster::{alive, in_state},
    within,
};

const DEADLINE: Duration = Duration::from_secs(60);
/// Within this time the others know, ...
const BAR: Duration = Duration::from_secs(3);
/// ... and so much more is left to a machine that runs other tests meanwhile.
const SLACK: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum Death {
    Killed,
    Stopped,
    /// Nobody reaches it any more; it reaches the others.
    CutOff,
}

/// Three nodes of which the third dies.
struct Mortal {
    cluster: TestCluster,
    proxy: Proxy,
}

impl Mortal {
    async fn start() -> Self {
        let mut cluster = TestCluster::start_with(vec![NodeOptions::default().arguments(["--slots", "8"]); 2]).await;
        let proxy = Proxy::open().expect("a proxy");
        let arguments = ["--slots", "8", "--advertise", &proxy.address()];
        let third = cluster.add(NodeOptions::default().arguments(arguments));
        proxy.lead_to(cluster.address(third));
        cluster.all_alive(&[1, 2, 3]).await;
        Self { cluster, proxy }
    }

    fn dies(&mut self, death: Death) {
        match death {
            Death::Killed => self.cluster.kill9(3),
            Death::Stopped => self.cluster.stop(3),
            Death::CutOff => self.proxy.hold(true),
        }
    }

    fn comes_back(&mut self, death: Death) {
        match death {
            Death::Killed => self.cluster.restart(3),
            Death::Stopped => self.cluster.resume(3),
            Death::CutOff => self.proxy.hold(false),
        }
    }

    /// Waits until n1 and n2 call n3 lost.
    async fn is_noticed(&self, death: Death) {
        let begun = Instant::now();
        let seen = [1, 2].map(async |number| {
            let client = self.cluster.client(number).await;
            let lost = |nodes: &[haulier::NodeInfo]| in_state(nodes, haulier::NodeState::Lost) == ["n3"];
            self.cluster.sees(&client, "n3 lost", lost).await;
            let took = begun.elapsed();
            println!("n{number} calls n3 lost {} ms after it was {death:?}", took.as_millis());
            assert!(took <= BAR + SLACK, "n{number} took {took:?} to see that n3 was {death:?}{}", self.cluster);
        });
        join_all(seen).await;
    }
}

fn task(client: &Cluster, entry_point: &str) -> Task {
    client.task("tasks", format!("acme_cluster:{entry_point}")).timeout(DEADLINE)
}

/// A key that belongs to n3.
async fn key_of_n3(client: &Cluster) -> String {
    for key in 0..100 {
        let place: String = task(client, "where").key(key.to_string()).call(()).await.expect("a task");
        if place == "n3" {
            return key.to_string();
        }
    }
    panic!("no key of 100 belongs to n3");
}

fn is_loss_of_n3(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::WorkerLost, "{error:?}");
    assert!(error.to_string().contains("'n3'"), "{error}");
    assert!(error.hint_text().contains("failover"), "{error:?}");
}

/// What ran on n3 fails and says so, or runs elsewhere if it may; a broadcast gives what the others answered.
async fn tasks_end(nodes: &mut Mortal, client: &Cluster, death: Death) {
    let gate = Gate::open().await;
    let (hold, key) = (task(client, "hold"), key_of_n3(client).await);
    let named = hold.clone().node("n3").submit::<String>(gate.port());
    let keyed = hold.clone().key(&key).submit::<String>(gate.port());
    let may_move = hold.clone().key(&key).failover().submit::<String>(gate.port());
    let (everywhere, port) = (hold.clone(), gate.port());
    let everywhere = tokio::spawn(async move { everywhere.broadcast::<String>(port).await });
    let held = gate.all(6).await;
    assert_eq!(held.iter().filter(|held| held.node == "n3").count(), 4);

    nodes.dies(death);
    nodes.is_noticed(death).await;
    is_loss_of_n3(&within(10, "the named task", named).await.expect_err("n3 is gone"));
    is_loss_of_n3(&within(10, "the keyed task", keyed).await.expect_err("n3 is gone"));
    let again = gate.next().await;
    let elsewhere = again.node.clone();
    assert_ne!(elsewhere, "n3");
    again.release().await;
    assert_eq!(within(10, "the moved task", may_move).await.expect("it ran again"), elsewhere);

    join_all(held.into_iter().map(Held::release)).await;
    let mut outcomes = within(10, "the broadcast", everywhere).await.expect("no panic").expect("outcomes");
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    let [(_, first), (_, second), (third, lost)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((first.as_deref().unwrap(), second.as_deref().unwrap()), ("n1", "n2"));
    assert_eq!(third, "n3");
    is_loss_of_n3(lost.as_ref().expect_err("n3 is gone"));
}

/// New tasks use the nodes that are there.
async fn others_go_on(client: &Cluster) {
    let begun = Instant::now();
    let calls = (0..20).map(|_| task(client, "where")).map(async |task| task.call::<String>(()).await);
    for place in within(10, "20 tasks", join_all(calls)).await {
        assert_ne!(place.expect("a task"), "n3");
    }
    let keys = (0..20).map(|key| task(client, "where").key(key.to_string()));
    let calls = keys.map(async |task| task.call::<String>(()).await);
    for place in within(10, "20 keys", join_all(calls)).await {
        assert_ne!(place.expect("a task"), "n3");
    }
    let mut names: Vec<String> = within(10, "a broadcast", task(client, "where").broadcast::<String>(()))
        .await
        .expect("outcomes")
        .into_iter()
        .map(|(node, result)| result.map(|_| node).expect("a result"))
        .collect();
    names.sort();
    assert_eq!(names, ["n1", "n2"]);
    let named = within(10, "a task for n3", task(client, "where").node("n3").call::<String>(())).await;
    let named = named.expect_err("n3 is gone");
    assert!(matches!(named.kind(), ErrorKind::Unavailable | ErrorKind::NotFound), "{named:?}");
    assert!(named.to_string().contains("'n3'"), "{named}");
    println!("40 tasks, a broadcast and a refusal took {} ms", begun.elapsed().as_millis());
}

async fn a_member_dies(death: Death, asked: usize) {
    let mut nodes = Mortal::start().await;
    nodes.cluster.deploy_tasks().await;
    let client = nodes.cluster.client(asked).await;
    tasks_end(&mut nodes, &client, death).await;
    others_go_on(&client).await;

    nodes.comes_back(death);
    let begun = Instant::now();
    nodes.cluster.all_alive(&[1, 2, 3]).await;
    println!("n3 is back {} ms after it was {death:?} no more", begun.elapsed().as_millis());
    assert_eq!(task(&client, "where").node("n3").call::<String>(()).await.expect("a task"), "n3");
    let outcomes = task(&client, "where").broadcast::<String>(()).await.expect("outcomes");
    assert_eq!(outcomes.len(), 3);
    outcomes.into_iter().for_each(|(node, result)| assert_eq!(result.expect("a result"), node));
    let own = nodes.cluster.client(3).await;
    assert_eq!(task(&own, "where").broadcast::<String>(()).await.expect("outcomes").len(), 3, "asked n3");
}

#[tokio::test]
async fn a_member_is_killed() {
    within(120, "a killed member", a_member_dies(Death::Killed, 1)).await;
}

#[tokio::test]
async fn a_member_hangs() {
    within(120, "a stopped member", a_member_dies(Death::Stopped, 2)).await;
}

#[tokio::test]
async fn a_member_is_cut_off() {
    within(120, "a member cut off", a_member_dies(Death::CutOff, 1)).await;
}

#[tokio::test]
async fn tasks_with_failover_survive_kills_under_load() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 20 } else { 2 };
    let mut nodes = Mortal::start().await;
    nodes.cluster.deploy_tasks().await;
    let client = nodes.cluster.client(2).await;
    for round in 0..rounds {
        let where_it_runs = task(&client, "where").failover();
        let keyed = (0..200).map(|key| where_it_runs.clone().key(key.to_string()).submit::<String>(()));
        let handles: Vec<_> = keyed.chain((0..200).map(|_| where_it_runs.submit::<String>(()))).collect();
        nodes.cluster.kill9(3);
        for handle in handles {
            within(30, "a task with failover", handle).await.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        }
        nodes.cluster.sees(&client, "n3 lost", |seen| alive(seen) == ["n1", "n2"]).await;
        nodes.cluster.restart(3);
        nodes.cluster.all_alive(&[1, 2, 3]).await;
    }
}
