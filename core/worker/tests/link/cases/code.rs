//! Class paths: from a name to bytes in the store's files.

use haulier_model::{Digest, Error, ErrorKind, Language};
use haulier_protocol::v1;

use crate::fixture::{Event, Heard, Running, Site, text};

/// An entry whose bytes are at `at` in the first pack; `None`: not on the node yet.
fn entry(path: &str, bytes: &[u8], at: Option<u64>) -> v1::EntryLocation {
    v1::EntryLocation {
        path: path.into(),
        size: bytes.len() as u64,
        pack: u32::from(at.is_some()),
        offset: at.unwrap_or_default(),
        digest: Digest::of(bytes).as_bytes().to_vec().into(),
        executable: path.ends_with(".so"),
    }
}

fn root(label: &str, kind: &str, entries: Vec<v1::EntryLocation>) -> v1::RootIndex {
    v1::RootIndex { label: label.into(), kind: kind.into(), entries, peer: false, prepared: String::new() }
}

fn java_answer(site: &Site) -> v1::ClassPathAnswer {
    std::fs::write(site.path("pack"), "firstmanifestgeneralspecial").unwrap();
    let manifest = b"Manifest-Version: 1.0\r\nMulti-Release: true\r\n\r\n";
    std::fs::write(site.path("pack2"), manifest).unwrap();
    let mut manifest = entry("META-INF/MANIFEST.MF", manifest, Some(0));
    manifest.pack = 2;
    let multi = vec![
        entry("x/B.class", b"general", Some(13)),
        entry("META-INF/versions/11/x/B.class", b"special", Some(20)),
        manifest,
    ];
    v1::ClassPathAnswer {
        packs: ["pack", "pack2"].map(|name| v1::PackFile { path: text(&site.path(name)) }).into(),
        roots: vec![
            root(
                "pricing:1/a.jar",
                "jvm",
                vec![entry("x/A.class", b"first", Some(0)), entry("x/Late.class", b"late", None)],
            ),
            root("pricing:1/b.jar", "jvm", multi),
        ],
        ..v1::ClassPathAnswer::default()
    }
}

fn find(running: &Running, path: &str) {
    submit(running, "find", path);
}

fn submit(running: &Running, entry_point: &str, name: &str) {
    let digest = Digest::of(b"a class path").as_bytes().to_vec().into();
    let frame = v1::TaskFrame { class_path: digest, ..crate::fixture::task(1, entry_point, name.to_owned()) };
    assert!(running.worker.submit(0, frame));
}

async fn found(heard: &mut Heard) -> Result<String, Error> {
    let result = heard.result().await;
    match result.error {
        Some(error) => Err(error.into()),
        None => Ok(String::from_utf8_lossy(&result.payload).into_owned()),
    }
}

pub async fn class_paths_are_fetched_once() {
    let mut site = Site::new(Language::Java);
    site.spec.readable = vec![site.path("")];
    let mut running = site.start().await;
    submit(&running, "find by many", "x/A.class");
    let answer = running.heard.begun().await;
    answer.send(Ok(java_answer(&site))).ok().unwrap();
    // 64 threads asked, the node heard one question; and it hears none from now on.
    assert_eq!(found(&mut running.heard).await.unwrap(), "pricing:1/a.jar first");
    submit(&running, "find by many", "x/B.class");
    assert_eq!(found(&mut running.heard).await.unwrap(), "pricing:1/b.jar special");
    submit(&running, "find by many", "x/Prices.class");
    let error = found(&mut running.heard).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CodeNotFound);
    for word in ["pricing:1/a.jar, pricing:1/b.jar", "haulier deploy"] {
        assert!(error.to_string().contains(word), "{error}");
    }
}

pub async fn late_entries_are_fetched() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    submit(&running, "find by many", "x/Late.class");
    running.heard.begun().await.send(Ok(java_answer(&site))).ok().unwrap();
    let Event::Entries(request, answer) = running.heard.next().await else { panic!("not asked") };
    assert_eq!((request.root, request.paths), (0, vec!["x/Late.class".to_owned()]));
    std::fs::write(site.path("late"), "--late").unwrap();
    let entries = vec![entry("x/Late.class", b"late", Some(2))];
    let packs = vec![v1::PackFile { path: text(&site.path("late")) }];
    answer.send(Ok(v1::EntryAnswer { packs, entries, error: None })).unwrap();
    assert_eq!(found(&mut running.heard).await.unwrap(), "pricing:1/a.jar late");
    submit(&running, "find by many", "x/Late.class");
    assert_eq!(found(&mut running.heard).await.unwrap(), "pricing:1/a.jar late");
}

pub async fn failures_are_not_remembered() {
    let site = Site::new(Language::Java);
    let mut running = site.start().await;
    let gone = || Error::new(ErrorKind::SessionLost, "fetch code", "the client has gone");
    find(&running, "x/Late.class");
    running.heard.begun().await.send(Err(gone())).ok().unwrap();
    assert_eq!(found(&mut running.heard).await.unwrap_err().kind(), ErrorKind::SessionLost);
    find(&running, "x/Late.class");
    running.heard.begun().await.send(Ok(java_answer(&site))).ok().unwrap();
    let Event::Entries(_, answer) = running.heard.next().await else { panic!("not asked") };
    answer.send(Err(gone())).unwrap();
    let error = found(&mut running.heard).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::SessionLost, "the client has gone"));
    // An answer without the entry is no absence either; and a location outside of its file is not read.
    for (packs, entries) in [
        (vec![], vec![]),
        (vec![v1::PackFile { path: text(&site.path("pack")) }], vec![entry("x/Late.class", b"late", Some(1 << 40))]),
    ] {
        find(&running, "x/Late.class");
        let Event::Entries(_, answer) = running.heard.next().await else { panic!("not asked") };
        answer.send(Ok(v1::EntryAnswer { packs, entries, error: None })).unwrap();
        assert_eq!(found(&mut running.heard).await.unwrap_err().kind(), ErrorKind::Internal);
    }
}

pub async fn python_directories_are_filled() {
    let mut site = Site::new(Language::Python);
    let directory = tempfile::tempdir().unwrap();
    site.spec.directory = Some(directory.path().to_owned());
    let mut running = site.start().await;
    std::fs::write(site.path("pack"), "import x").unwrap();
    let answer = v1::ClassPathAnswer {
        packs: vec![v1::PackFile { path: text(&site.path("pack")) }],
        directory: text(directory.path()),
        roots: vec![root(
            "acme-1.0.whl",
            "python",
            vec![
                entry("acme/__init__.py", b"", None),
                entry("acme/deep/x.py", b"import x", Some(0)),
                entry("acme/native.so", b"import", Some(0)),
                entry("acme-1.0.dist-info/METADATA", b"late", None),
                entry("evil/../../x.py", b"import", Some(0)),
            ],
        )],
        ..v1::ClassPathAnswer::default()
    };
    let fill = |running: &Running, name: &str| submit(running, "fill", name);
    fill(&running, "acme");
    running.heard.begun().await.send(Ok(answer)).ok().unwrap();
    let Event::Entries(request, answer) = running.heard.next().await else { panic!("not asked") };
    assert_eq!(request.paths, ["acme-1.0.dist-info/METADATA"]);
    std::fs::write(site.path("late"), "late").unwrap();
    let packs = vec![v1::PackFile { path: text(&site.path("late")) }];
    let entries = vec![entry("acme-1.0.dist-info/METADATA", b"late", Some(0))];
    answer.send(Ok(v1::EntryAnswer { packs, entries, error: None })).unwrap();
    assert_eq!(found(&mut running.heard).await.unwrap(), "true");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!((read("acme/__init__.py"), read("acme/deep/x.py")), (String::new(), "import x".to_owned()));
    assert_eq!(read("acme-1.0.dist-info/METADATA"), "late");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(directory.path().join("acme/native.so").metadata().unwrap().permissions().mode() & 0o777, 0o755);
    for (name, expected) in [("acme", "true"), ("other", "false"), ("acme/deep", "false")] {
        fill(&running, name);
        assert_eq!(found(&mut running.heard).await.unwrap(), expected, "{name}");
    }
    fill(&running, "evil");
    assert!(found(&mut running.heard).await.is_err());
    let mut names: Vec<_> =
        directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["acme", "acme-1.0.dist-info"]);
}
