//! Tests of sweeping, on real files.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;

const KEPT: Duration = Duration::from_secs(600);

fn age(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.set_modified(SystemTime::now() - 2 * KEPT)
}

fn open(folder: &tempfile::TempDir) -> Directories {
    Directories::open(&folder.path().join("directories"), KEPT).unwrap()
}

#[test]
fn what_nobody_uses_goes_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let directories = open(&folder);
    let made: Vec<PathBuf> =
        ["a", "b", "c"].iter().map(|name| directories.make("group", &Digest::of(name.as_bytes())).unwrap()).collect();
    assert_eq!(made[0].parent(), made[1].parent());
    assert_ne!(made[0].parent(), directories.make("other", &Digest::of(b"a")).unwrap().parent());
    for old in &made[..2] {
        age(old).unwrap();
    }
    directories.sweep(|path| path == made[1], |_| false, |_| true).unwrap();
    assert_eq!(made.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, true, true]);
}

/// Each thread lets its directory grow old, and asks for it at the moment at which it is swept.
#[test]
fn a_directory_that_is_asked_for_is_not_swept() {
    const THREADS: usize = 4;
    const TRIES: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let directories = open(&folder);
    let used: Mutex<HashSet<PathBuf>> = Mutex::default();
    let (running, swept) = (AtomicUsize::new(THREADS), AtomicUsize::new(0));
    let (directories, used, running, swept) = (&directories, &used, &running, &swept);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            scope.spawn(move || {
                let digest = Digest::of(&[number as u8]);
                for attempt in 0..TRIES {
                    let made = directories.make("group", &digest).unwrap();
                    used.lock().insert(made.clone());
                    let module = made.join(format!("module{attempt}.py"));
                    fs::write(&module, "VALUE = 1").unwrap();
                    assert_eq!(fs::read(&module).unwrap(), b"VALUE = 1");
                    swept.fetch_add(usize::from(fs::read_dir(&made).unwrap().count() == 1), Ordering::Relaxed);
                    age(&made).unwrap();
                    used.lock().remove(&made);
                }
                running.fetch_sub(1, Ordering::Release);
            });
        }
        // Two at a time: one by the clock, one that somebody has asked for.
        for _ in 0..2 {
            scope.spawn(move || {
                while running.load(Ordering::Acquire) > 0 {
                    directories.sweep(|path| used.lock().contains(path), |_| false, |_| true).unwrap();
                }
            });
        }
    });
    assert!(swept.load(Ordering::Relaxed) > THREADS, "nothing was swept meanwhile");
}

#[test]
fn what_was_prepared_goes_when_nothing_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let directories = open(&folder);
    let group = directories.make("group", &Digest::of(b"path")).unwrap();
    let roots = [b"linked", b"unused", b"forgot", b"recent", b"naming"].map(|name| {
        let digest = Digest::of(name);
        let root = folder.path().join("directories/prepared").join(digest.hex());
        fs::create_dir_all(root.join("files/acme")).unwrap();
        fs::write(root.join("size"), "10").unwrap();
        (digest, root)
    });
    std::os::unix::fs::symlink(roots[0].1.join("files/acme"), group.join("acme")).unwrap();
    for (_, root) in &roots {
        age(root).unwrap();
    }
    assert_eq!(directories.prepared.find(&roots[3].0), Some(roots[3].1.clone()));
    directories.sweep(|_| false, |digest| *digest == roots[4].0, |digest| *digest == roots[1].0).unwrap();
    assert_eq!(roots.map(|(_, root)| root.exists()), [true, true, false, true, true]);
}

#[test]
fn what_is_prepared_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = Prepared::open(folder.path(), 45).unwrap();
    let names = [b"oldest", b"linked", b"naming", b"middle", b"latest", b"recent"];
    let roots = names.map(|name| {
        let digest = Digest::of(name);
        let root = folder.path().join("prepared").join(digest.hex());
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("size"), "10").unwrap();
        (digest, root)
    });
    for (age, (_, root)) in (0..).zip(&roots[..5]) {
        let used = SystemTime::now() - 2 * KEPT + Duration::from_secs(age);
        fs::File::open(root).unwrap().set_modified(used).unwrap();
    }
    let linked = HashSet::from([roots[1].1.clone()]);
    prepared.is_new(roots[0].0);
    let sweep = || prepared.sweep(KEPT, &linked, |digest| *digest == roots[2].0, |_| true).unwrap();
    let left = || roots.iter().map(|(_, root)| root.exists()).collect::<Vec<_>>();
    sweep();
    assert_eq!(left(), [false, true, true, false, true, true], "the two that were not used for longest");
    assert!(prepared.is_new(roots[0].0), "it is prepared again when it is needed");
    // Within the bound nothing goes.
    sweep();
    assert_eq!(left(), [false, true, true, false, true, true]);
}

#[test]
fn bytecode_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for (number, name) in ["old", "middle", "new"].iter().enumerate() {
        let path = folder.path().join(name);
        fs::write(&path, [0; 10]).unwrap();
        let age = Duration::from_secs(100 - number as u64);
        fs::File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }
    shrink(folder.path(), 20).unwrap();
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["middle", "new"]);
}
