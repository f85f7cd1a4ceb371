//! The ends of workers, of what they start, and of nodes.

use std::{
    io::{BufRead, BufReader},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use haulier_model::Language;

use crate::fixture::{Site, gone, program, task};

pub async fn exit_status_and_last_words() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "exit", "famous last words");
    let loss = running.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.requested), ("exit code 7", false));
    assert_eq!(loss.last_output, "famous last words\n");
    assert!(running.worker.is_lost());
    assert!(!running.worker.submit(0, task(2, "echo", "")));
    assert!(running.worker.take_back(0).await.is_empty() && !running.worker.responds().await);
    running.worker.stop(Duration::from_secs(5)).await;
    running.worker.kill();
    drop(running.worker);
    assert!(running.heard.nothing_more().await);
}

pub async fn a_signal_is_named() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "abort", "");
    assert_eq!(running.heard.lost().await.status, "signal 6 (SIGABRT)");
}

pub async fn results_come_before_the_loss() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    (0..1000).for_each(|id| running.submit(id, 0, "echo", vec![0; 1000]));
    running.submit(1000, 0, "exit", "");
    running.heard.lost().await;
    // Those that were written, in order and whole; the flusher has had no time for some.
    let mut count = 0;
    while count < 1000 && running.heard.has_result() {
        assert_eq!(running.heard.result().await.task_id, count);
        count += 1;
    }
    assert!(count > 0);
}

pub async fn kill_takes_the_whole_group() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    let child = running.call("start", "").await.unwrap();
    let child: u32 = String::from_utf8_lossy(&child).parse().unwrap();
    running.submit(1, 0, "wait", "");
    running.worker.kill();
    let loss = running.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.requested), ("signal 9 (SIGKILL)", true));
    assert!(gone(child).await);

    // Also when the worker ends by itself.
    let mut running = site.start().await;
    let child = running.call("start", "").await.unwrap();
    let child: u32 = String::from_utf8_lossy(&child).parse().unwrap();
    running.submit(1, 0, "exit", "");
    running.heard.lost().await;
    assert!(gone(child).await);
}

pub async fn stop_lets_tasks_end() {
    let site = Site::new(Language::Java).slots(2);
    let mut running = site.start().await;
    running.submit(0, 0, "held", "long");
    let held = running.heard.begun().await;
    (1..1000).for_each(|id| running.submit(id, 0, "echo", vec![0; 1000]));
    let worker = running.worker.clone();
    let stopping = tokio::spawn(async move { worker.stop(Duration::from_secs(20)).await });
    while running.worker.submit(1, task(5000, "echo", "")) {
        tokio::task::yield_now().await;
        running.heard.result().await;
    }
    drop(held);
    stopping.await.unwrap();
    for id in 0..1000 {
        assert_eq!(running.heard.result().await.task_id, id);
    }
    let loss = running.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.requested), ("exit code 0", true));
}

pub async fn stop_kills_after_the_grace() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "wait", "");
    running.worker.stop(Duration::from_millis(100)).await;
    let loss = running.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.requested), ("signal 9 (SIGKILL)", true));
}

pub async fn dropping_a_worker_kills_it() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "wait", "");
    let pid = running.worker.process_id();
    drop(running.worker);
    assert!(running.heard.lost().await.requested);
    assert!(gone(pid).await);
}

pub async fn a_closed_link_ends_the_worker() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "close", "");
    let loss = running.heard.lost().await;
    assert_eq!((loss.status.as_str(), loss.requested), ("it closed its link; signal 9 (SIGKILL)", false));
}

/// A node with workers of each kind; it says their process ids and waits to be killed.
pub fn node() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut workers = Vec::new();
        for (language, mode) in [(Language::Java, ""), (Language::Java, "orphan"), (Language::Python, "")] {
            let site = Site::new(language).mode(mode);
            let running = site.start().await;
            println!("{}", running.worker.process_id());
            workers.push((site, running));
        }
        println!("ready");
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

pub async fn workers_die_with_their_node() {
    let mut node = Command::new(program()).arg("node").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(node.stdout.take().unwrap()).lines().map(Result::unwrap);
    let workers: Vec<u32> = lines.take_while(|line| line != "ready").map(|line| line.parse().unwrap()).collect();
    assert_eq!(workers.len(), 3);
    node.kill().unwrap();
    node.wait().unwrap();
    for worker in workers {
        assert!(gone(worker).await, "{worker}");
    }
}
