//! Tasks that have not begun, and those that are to end.

use std::time::{Duration, Instant};

use haulier_model::{Error, ErrorKind, Language};
use haulier_worker::CancelReport;
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{Event, Running, Site};

const NOTHING: CancelReport = CancelReport { removed: false, interrupted: false };
const REMOVED: CancelReport = CancelReport { removed: true, interrupted: false };
const INTERRUPTED: CancelReport = CancelReport { removed: false, interrupted: true };

pub async fn what_has_not_begun_is_taken_back() {
    let site = Site::new(Language::Java).slots(2);
    let mut running = site.start().await;
    assert!(running.worker.take_back(0).await.is_empty() && running.worker.take_back(9).await.is_empty());
    running.submit(1, 0, "held", "long");
    let held = running.heard.begun().await;
    (2..50).for_each(|id| running.submit(id, 0, "echo", "x"));
    let back = running.worker.take_back(0).await;
    assert_eq!(back, (2..50).collect::<Vec<_>>());
    // They run elsewhere, although the slot is still busy.
    for id in back {
        running.submit(id, 1, "echo", "x");
        assert_eq!(running.heard.result().await.task_id, id);
    }
    drop(held);
    assert_eq!(running.heard.result().await.task_id, 1);
}

pub async fn a_full_socket_is_taken_back_too() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "held", "long");
    let held = running.heard.begun().await;
    // 16 MiB: some is in the socket, one frame is half in it, most waits in the node.
    (2..66).for_each(|id| running.submit(id, 0, "echo", vec![0; 256 << 10]));
    let mut back = Vec::new();
    while back.len() < 64 {
        back.extend(running.worker.take_back(0).await);
    }
    back.sort_unstable();
    assert_eq!(back, (2..66).collect::<Vec<_>>());
    drop(held);
    assert_eq!(running.heard.result().await.task_id, 1);
}

pub async fn a_waiting_task_is_removed() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "held", "long");
    let held = running.heard.begun().await;
    (2..66).for_each(|id| running.submit(id, 0, "echo", vec![0; 64 << 10]));
    for id in [2, 30, 31, 32, 65] {
        assert_eq!(running.worker.cancel(id).await, REMOVED, "{id}");
        assert_eq!(running.worker.cancel(id).await, NOTHING, "{id}");
    }
    assert_eq!(running.worker.cancel(12345).await, NOTHING);
    drop(held);
    let mut ended = Vec::new();
    for _ in 0..60 {
        ended.push(running.heard.result().await.task_id);
    }
    let expected: Vec<u64> = (1..66).filter(|id| ![2, 30, 31, 32, 65].contains(id)).collect();
    assert_eq!(ended, expected);
}

pub async fn a_running_task_is_interrupted() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "held", "begin");
    drop(running.heard.begun().await);
    assert_eq!(running.heard.result().await.task_id, 1);
    running.submit(2, 0, "wait", "");
    running.submit(3, 0, "echo", "next");
    // Until the worker has read it, it is removed rather than interrupted.
    let report = running.worker.cancel(2).await;
    assert!(report == INTERRUPTED || report == REMOVED, "{report:?}");
    if report == INTERRUPTED {
        let error = Error::from(running.heard.result().await.error.unwrap());
        assert_eq!(error.kind(), ErrorKind::Canceled);
    }
    assert_eq!(running.heard.result().await.task_id, 3);
}

pub async fn cancelling_beside_an_idle_slot_loses_nothing() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    for round in 0..2_000 {
        // The control thread may read the task that the slot is about to be woken for.
        running.submit(round, 0, "echo", "x");
        let worker = running.worker.clone();
        let (report, result) = tokio::join!(worker.cancel(u64::MAX), running.heard.result());
        assert_eq!((report, result.task_id), (NOTHING, round));
    }
}

fn signal(running: &Running, signal: Signal) {
    kill_process(Pid::from_raw(running.worker.process_id() as i32).unwrap(), signal).unwrap();
}

pub async fn a_stopped_worker_answers_nothing_in_time() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    running.submit(1, 0, "held", "long");
    let held = running.heard.begun().await;
    signal(&running, Signal::STOP);
    running.submit(2, 0, "echo", "x");
    running.submit(3, 0, "echo", "x");
    let began = Instant::now();
    let worker = &running.worker;
    let (back, report, responds) = tokio::join!(worker.take_back(0), worker.cancel(3), worker.responds());
    assert_eq!((back, report, responds), (vec![], NOTHING, false));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // What it says later is not lost.
    signal(&running, Signal::CONT);
    let mut returned = Vec::new();
    while returned.len() < 2 {
        match running.heard.next().await {
            Event::Returned(tasks) => returned.extend(tasks),
            other => panic!("heard {}", other.name()),
        }
    }
    assert_eq!(returned, [2, 3]);
    drop(held);
    assert_eq!(running.heard.result().await.task_id, 1);
    signal(&running, Signal::STOP);
    running.worker.kill();
    assert_eq!(running.heard.lost().await.status, "signal 9 (SIGKILL)");
}
