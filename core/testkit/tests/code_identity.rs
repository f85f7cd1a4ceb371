//! Identity is content: equal names with different bytes never meet, equal bytes travel once.
use haulier::{ConnectOptions, DeploymentMode, Language, Target, Value};
use haulier_testkit::{NodeOptions, PeerClient, Proxy, TestNode, fixture};

/// A client whose class path is one fixture.
struct Client {
    peer: PeerClient,
    language: Language,
}

impl Client {
    async fn connect(address: &str, mode: DeploymentMode, language: Language, root: &str) -> Self {
        let options = ConnectOptions::new(address).mode(mode);
        Self { peer: PeerClient::connect(options, language, vec![fixture(root)]).await, language }
    }

    /// Calls a named entry point from the client's own code; `start` is what the closure begins with.
    async fn call(&self, start: &str, entry_point: &str) -> Value {
        self.peer.call(Target::Any, start, entry_point, &[]).await.expect("a result")
    }

    async fn versions(&self) -> Value {
        match self.language {
            Language::Java => self.call("acme/Price", "acme.Price#versions").await,
            _ => self.call("acme_scoring.scoring", "acme_scoring.scoring:versions").await,
        }
    }
}

#[tokio::test]
async fn equal_names_with_different_bytes_never_meet() {
    let rounds = if std::env::var_os("HAULIER_SOAK").is_some() { 1000 } else { 100 };
    let mut node = TestNode::start(NodeOptions::default()).expect("a node");
    for mode in [DeploymentMode::Private, DeploymentMode::Shared, DeploymentMode::Isolated, DeploymentMode::Continuous]
    {
        let rounds = if mode == DeploymentMode::Isolated { rounds / 5 } else { rounds };
        let address = node.address().to_owned();
        let java_1 = Client::connect(&address, mode, Language::Java, "pricing-1.jar").await;
        let java_2 = Client::connect(&address, mode, Language::Java, "pricing-2.jar").await;
        let python_1 = Client::connect(&address, mode, Language::Python, "scoring-1").await;
        let python_2 = Client::connect(&address, mode, Language::Python, "scoring-2").await;
        for _ in 0..rounds {
            assert_eq!(java_1.versions().await, "price 1, rate 1".into(), "{mode:?}");
            assert_eq!(java_2.versions().await, "price 2, rate 2".into(), "{mode:?}");
        }
        for _ in 0..rounds / 5 {
            assert_eq!(python_1.versions().await, "scoring 1, weights 1".into(), "{mode:?}");
            assert_eq!(python_2.versions().await, "scoring 2, weights 2".into(), "{mode:?}");
        }
        java_1.peer.cluster.close().await;
        for _ in 0..5 {
            assert_eq!(java_2.versions().await, "price 2, rate 2".into(), "{mode:?}, after the other left");
        }
    }
    node.restart().expect("the node again");
    for mode in [DeploymentMode::Shared, DeploymentMode::Continuous] {
        let java_1 = Client::connect(node.address(), mode, Language::Java, "pricing-1.jar").await;
        let java_2 = Client::connect(node.address(), mode, Language::Java, "pricing-2.jar").await;
        assert_eq!(java_2.versions().await, "price 2, rate 2".into(), "{mode:?}, after a restart");
        assert_eq!(java_1.versions().await, "price 1, rate 1".into(), "{mode:?}, after a restart");
    }
}

#[tokio::test]
async fn equal_bytes_travel_once() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let (first, second) = (Proxy::start(node.address()).unwrap(), Proxy::start(node.address()).unwrap());
    let root = "tasks.jar";
    let one = Client::connect(&first.address(), DeploymentMode::Private, Language::Java, root).await;
    assert_eq!(as_callable(&one).await, "callable".into());
    let sent = first.bytes_sent();
    let two = Client::connect(&second.address(), DeploymentMode::Private, Language::Java, root).await;
    assert_eq!(as_callable(&two).await, "callable".into());
    let sent_again = second.bytes_sent();
    println!("the first client sent {sent} bytes, the second {sent_again}");
    let size = std::fs::metadata(fixture("classes/tasks/acme/tasks/AsCallable.class")).expect("a class").len();
    assert!(sent >= sent_again + size, "the second client sent {sent_again} bytes, the first {sent}");
}

async fn as_callable(client: &Client) -> Value {
    client.call("acme/tasks/AsCallable", "acme.tasks.AsCallable").await
}

#[tokio::test]
async fn warm_calls_send_no_code() {
    let node = TestNode::start(NodeOptions::default()).expect("a node");
    let proxy = Proxy::start(node.address()).unwrap();
    let client = Client::connect(&proxy.address(), DeploymentMode::Private, Language::Java, "pricing-1.jar").await;
    client.versions().await;
    let before = proxy.bytes_sent();
    for _ in 0..10 {
        client.versions().await;
    }
    let bytes = (proxy.bytes_sent() - before) / 10;
    assert!(bytes < 600, "{bytes} bytes for a warm call");
}
