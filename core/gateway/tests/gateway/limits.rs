//! Silent clients, too many clients, and the stop.

use std::time::{Duration, Instant};

use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::{
    curl::curl,
    running::{DEADLINE, Running, read_all},
};

const PART: &str = "unitContent=x;filename=a";

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_are_given_up() {
    let gateway = Running::with(|options| options.silence = Duration::from_millis(300)).await;
    let mut upload = gateway.send(&gateway.upload_head("silent", 1000)).await;
    let answer = read_all(&mut upload).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("application/problem+json"), "{answer}");
    let mut head = gateway.send("GET /health HTTP/1.1\r\nHos").await;
    assert!(!read_all(&mut head).await.contains("200"));
    for text in ["", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        // Ends, though the client would keep it.
        read_all(&mut gateway.send(text).await).await;
    }
    // A request whose body is not wanted is answered, and its connection ends.
    let unwanted = "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    assert!(read_all(&mut gateway.send(unwanted).await).await.starts_with("HTTP/1.1 200 "));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_is_not_silent() {
    let gateway = Running::with(|options| options.silence = Duration::from_millis(1500)).await;
    let end = "\r\n--edge--\r\n";
    let mut upload = gateway.send(&gateway.upload_head("slow", 8 + end.len())).await;
    let began = Instant::now();
    // Each byte comes well within the time, all of them do not.
    let mut pause = tokio::time::interval(Duration::from_millis(300));
    for _ in 0..8 {
        pause.tick().await;
        upload.write_all(b"x").await.unwrap();
    }
    upload.write_all(end.as_bytes()).await.unwrap();
    let answer = read_all(&mut upload).await;
    assert!(began.elapsed() > Duration::from_millis(1500));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_uploads_at_a_time() {
    let gateway = Running::start().await;
    let urls: Vec<String> = (0..8).map(|index| gateway.url(&format!("/units/wait/{index}"))).collect();
    let uploads = urls.iter().map(|url| async move { curl(&["-F", PART, url]).await });
    let ninth = async {
        let all = gateway.engine.waiting.acquire_many(8);
        timeout(DEADLINE, all).await.unwrap().unwrap().forget();
        let refused = curl(&["-F", PART, &gateway.url("/units/ninth/1")]).await;
        assert!(refused.problem(503).contains("uploads"));
        assert_eq!(refused.retry_after, "5");
        assert_eq!(curl(&[&gateway.url("/node/units")]).await.status, 200);
        gateway.engine.gate.add_permits(8);
    };
    let (replies, ()) = tokio::join!(futures_util::future::join_all(uploads), ninth);
    replies.iter().for_each(crate::curl::Reply::done);
    curl(&["-F", PART, &gateway.url("/units/ninth/1")]).await.done();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_the_stop_comes_to_its_end() {
    let gateway = Running::start().await;
    let url = gateway.url("/units/wait/1");
    let arguments = ["-F", PART, &url];
    let stopping = async {
        timeout(DEADLINE, gateway.engine.waiting.acquire()).await.unwrap().unwrap().forget();
        gateway.begin_stop();
        gateway.engine.gate.add_permits(1);
    };
    let (reply, ()) = tokio::join!(curl(&arguments), stopping);
    reply.done();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_outlives_its_client() {
    let gateway = Running::start().await;
    let end = "\r\n--edge--\r\n";
    let text = gateway.upload_head("wait", end.len()) + end;
    let stream = gateway.send(&text).await;
    timeout(DEADLINE, gateway.engine.waiting.acquire()).await.unwrap().unwrap().forget();
    drop(stream);
    gateway.engine.gate.add_permits(1);
    let engine = gateway.engine.clone();
    gateway.stop().await;
    assert_eq!(engine.deployed.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_does_not_wait_for_ever() {
    let gateway = Running::with(|options| options.grace = Duration::from_millis(200)).await;
    let upload = gateway.send(&gateway.upload_head("endless", 1 << 20)).await;
    let idle = gateway.send("").await;
    gateway.uploads_exist(true).await;
    let began = Instant::now();
    gateway.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10));
    drop((upload, idle));
}
