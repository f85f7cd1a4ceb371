//! What a worker may use.

use haulier_model::Language;

use crate::fixture::{Site, text};

pub async fn only_what_is_listed() {
    let mut site = Site::new(Language::Java);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name);
    for name in ["readable", "writable", "closed"] {
        std::fs::create_dir(path(name)).unwrap();
        std::fs::write(path(name).join("file"), "content").unwrap();
    }
    site.spec.readable = vec![path("readable")];
    site.spec.writable = vec![path("writable")];
    let mut running = site.start().await;
    for (entry_point, file, allowed) in [
        ("read", path("readable/file"), true),
        ("write", path("readable/file"), false),
        ("read", path("writable/file"), true),
        ("write", path("writable/new"), true),
        ("read", path("closed/file"), false),
        ("write", path("closed/file"), false),
        ("write", site.path("own"), true),
        ("read", "/etc/hostname".into(), true),
        ("write", "/etc/haulier-test".into(), false),
        ("write", "/dev/null".into(), true),
        ("read", "/root/.bashrc".into(), false),
    ] {
        let result = running.call(entry_point, text(&file)).await;
        assert_eq!(result.is_ok(), allowed, "{entry_point} {}: {result:?}", file.display());
    }
    // It cannot signal its node.
    let sent = running.call("signal", std::process::id().to_string()).await.unwrap();
    assert!(sent.starts_with(b"Err"), "{sent:?}");
}

pub async fn nothing_leaks_in() {
    // A descriptor that the node's process forgot to close on exec.
    let leaked = std::fs::File::open("/etc/hostname").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    for language in [Language::Java, Language::Python] {
        let site = Site::new(language);
        let mut running = site.start().await;
        let open = running.call("descriptors", "").await.unwrap();
        let open = String::from_utf8_lossy(&open).into_owned();
        assert!(!open.contains("hostname"), "{open}");
        // Control link and slot.
        assert_eq!(open.matches("socket:").count(), 2, "{language:?}: {open}");
        let environment = running.call("environment", "").await.unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let names: Vec<&str> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert!(names.contains(&"TMPDIR") && names.contains(&"PATH"), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
    }
}
