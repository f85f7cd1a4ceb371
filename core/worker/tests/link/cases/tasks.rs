//! Tasks and their results.

use std::time::{Duration, Instant};

use haulier_model::{Error, ErrorKind, Language};
use haulier_protocol::v1;

use crate::fixture::{Event, Site, task, text};

pub async fn echo() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    for payload in ["", "x", "hello"] {
        assert_eq!(running.call("echo", payload).await.unwrap(), payload);
    }
    let error = running.call("nothing", "").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::CodeNotFound, "nothing"));
}

pub async fn many_tasks_in_order() {
    const TASKS: u64 = 100_000;
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    let worker = running.worker.clone();
    let began = Instant::now();
    let sending = std::thread::spawn(move || {
        for id in 0..TASKS {
            assert!(worker.submit(0, task(id, "echo", vec![id as u8; id as usize % 300])));
        }
    });
    for id in 0..TASKS {
        let result = running.heard.result().await;
        assert_eq!((result.task_id, result.payload.len()), (id, id as usize % 300));
    }
    sending.join().unwrap();
    println!("     {:.0} tasks/s", TASKS as f64 / began.elapsed().as_secs_f64());
    let mut trips: Vec<Duration> = Vec::new();
    for _ in 0..5_000 {
        let began = Instant::now();
        running.call("echo", "").await.unwrap();
        trips.push(began.elapsed());
    }
    trips.sort();
    println!("     round trip p50 {:?}, p99 {:?}", trips[trips.len() / 2], trips[trips.len() / 100 * 99]);
}

pub async fn large_payloads_travel_in_files() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    let arguments = site.path("arguments");
    std::fs::write(&arguments, vec![5; 3 << 20]).unwrap();
    let frame = v1::TaskFrame {
        payload_path: text(&arguments),
        payload_size: 3 << 20,
        result_path: text(&site.path("result")),
        ..task(1, "echo", "")
    };
    assert!(running.worker.submit(0, frame.clone()));
    let result = running.heard.result().await;
    assert!(result.in_file && result.payload.is_empty() && result.payload_size == 3 << 20);
    assert_eq!(std::fs::read(site.path("result")).unwrap(), vec![5; 3 << 20]);

    // A file of another size is refused: reading it could kill the worker.
    assert!(running.worker.submit(0, v1::TaskFrame { payload_size: 4 << 20, ..frame }));
    let error = Error::from(running.heard.result().await.error.unwrap());
    assert!(error.to_string().contains("instead of 4194304"), "{error}");

    // Inline, larger than any socket's buffer; and larger than a frame may be.
    assert_eq!(running.call("echo", vec![1; 8 << 20]).await.unwrap().len(), 8 << 20);
    assert_eq!(running.call("echo", vec![1; 65 << 20]).await.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(running.call("many", "70000000").await.unwrap_err().kind(), ErrorKind::ResourceExhausted);
    assert_eq!(running.call("echo", "still there").await.unwrap(), "still there");
}

pub async fn a_panic_fails_one_task() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    let error = running.call("panic", "at the disco").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("at the disco"), "{error}");
    assert_eq!(running.call("echo", "x").await.unwrap(), "x");
}

pub async fn finished_results_do_not_wait_for_a_long_task() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    for round in 0..20 {
        // One write, so that the worker reads all at once: five short tasks, and a long one behind them.
        running.submit(1, 0, "held", format!("first {round}"));
        let first = running.heard.begun().await;
        (2..7).for_each(|id| running.submit(id, 0, "echo", "x"));
        running.submit(7, 0, "held", format!("second {round}"));
        drop(first);
        let second = running.heard.begun().await;
        for id in 1..7 {
            assert_eq!(running.heard.result().await.task_id, id);
        }
        drop(second);
        assert_eq!(running.heard.result().await.task_id, 7);
    }
}

pub async fn slots_run_side_by_side() {
    let site = Site::new(Language::Java).slots(4);
    let mut running = site.start().await;
    let mut held = Vec::new();
    for slot in 0..4 {
        running.submit(slot.into(), slot, "held", format!("slot {slot}"));
        held.push(running.heard.begun().await);
    }
    drop(held);
    for _ in 0..4 {
        running.heard.result().await;
    }
    for slot in 0..4 {
        running.submit(9, slot, "slot", "");
        match running.heard.next().await {
            Event::Finished(said, result) => assert_eq!((said, result.payload), (slot, slot.to_string().into())),
            other => panic!("heard {}", other.name()),
        }
    }
}
