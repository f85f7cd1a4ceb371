//! Starting, or not.

use std::time::Duration;

use haulier_model::{ErrorKind, Language};

use crate::fixture::{Heard, Site};

pub async fn says_hello() {
    let site = Site::new(Language::Java).slots(3);
    let running = site.start().await;
    let hello = running.worker.hello();
    assert_eq!((hello.language, hello.language_version.as_str()), (Language::Java, "17.0.15"));
    assert_eq!(hello.capabilities, ["test"]);
    assert_eq!((running.worker.slots(), running.worker.language()), (3, Language::Java));
    assert!(running.worker.responds().await && !running.worker.is_lost());
}

/// The start fails, nothing is said about a loss, and nobody is left who could say more.
async fn fails(site: Site, kind: ErrorKind, words: &[&str]) {
    let (worker, mut heard): (_, Heard) = site.try_start().await;
    let error = worker.err().expect("does not start");
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "'{word}' in: {error}");
    }
    assert!(heard.nothing_more().await);
}

pub async fn a_foreign_build_is_refused() {
    let ours = haulier_protocol::build_id();
    fails(Site::new(Language::Java).mode("foreign"), ErrorKind::Incompatible, &["0.0.1+foreign", ours]).await;
}

pub async fn a_worker_that_cannot_work_says_why() {
    fails(Site::new(Language::Java).mode("problem"), ErrorKind::Unavailable, &["no libhaulier_jni.so"]).await;
}

pub async fn an_early_end_is_reported() {
    let words = ["exit code 3", "cannot find io.haulier.worker.Main"];
    fails(Site::new(Language::Java).mode("exit"), ErrorKind::WorkerLost, &words).await;
    let mut site = Site::new(Language::Java);
    site.spec.program = "/etc/passwd".into();
    fails(site, ErrorKind::WorkerLost, &["exit code 126", "run /etc/passwd"]).await;
}

pub async fn a_silent_worker_is_given_up() {
    let mut site = Site::new(Language::Java).mode("silent");
    site.spec.start_timeout = Duration::from_millis(300);
    fails(site, ErrorKind::DeadlineExceeded, &["300ms"]).await;
}

pub async fn nonsense_is_refused() {
    for change in [
        (|site: &mut Site| site.spec.slots = 0) as fn(&mut Site),
        |site| site.spec.slots = 1000,
        |site| site.spec.language = Language::Rust,
        |site| site.spec.program = "java".into(),
        |site| site.spec.program = "/nonexistent/java".into(),
        |site| site.spec.temp_dir = "/nonexistent".into(),
        |site| (site.spec.language, site.spec.slots) = (Language::Python, 2),
    ] {
        let mut site = Site::new(Language::Java);
        change(&mut site);
        fails(site, ErrorKind::InvalidArgument, &[]).await;
    }
}
