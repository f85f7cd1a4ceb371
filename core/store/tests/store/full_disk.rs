//! A disk that is full, or a file that may not grow: a clear error, nothing half-written, and work goes on.
//!
//! The limits bind a process, so the test runs itself again as a child: under a file size limit everywhere, and on a
//! file system of 1 MiB where the system lets a user mount one.

use std::{
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use haulier_catalogue::MemoryCatalogue;
use haulier_model::{Digest, ErrorKind, Retry};
use haulier_store::{Durability, Store};

use crate::{deploy, pack};

const FOLDER: &str = "HAULIER_FULL_DISK_FOLDER";

#[test]
fn a_file_that_may_not_grow() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // Blocks of 512 bytes in some shells, 1024 in others. Without the trap the kernel kills the process.
    let output = run(
        "sh",
        &["-c", "trap '' XFSZ; ulimit -f 400; exec \"$@\"", "sh"],
        "full_disk::a_file_that_may_not_grow",
        folder.path(),
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_disk_that_is_full() {
    on_small_disk("full_disk::a_disk_that_is_full", "1m", fill);
}

/// Runs `work` in a process of its own, on a file system of that size; skips it, and says so, where no user may mount
/// one. `test` is the path of the test that calls this, which is called again in the process.
pub(crate) fn on_small_disk(test: &str, size: &str, work: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let may_mount = format!("mount -t tmpfs -o size={size} tmpfs \"$HAULIER_FULL_DISK_FOLDER\"");
    let probe = run("unshare", &["-rm", "sh", "-c", &may_mount], "", folder.path());
    if !probe.status.success() {
        println!("skipped: no user may mount here: {}", String::from_utf8_lossy(&probe.stderr));
        return;
    }
    let script = format!("{may_mount} && exec \"$@\"");
    let output = run("unshare", &["-rm", "sh", "-c", &script, "sh"], test, folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn run(program: &str, arguments: &[&str], test: &str, folder: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env(FOLDER, folder);
    if !test.is_empty() {
        command.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]);
    }
    command.output().unwrap_or_else(|error| Output {
        status: std::os::unix::process::ExitStatusExt::from_raw(1 << 8),
        stdout: Vec::new(),
        stderr: error.to_string().into_bytes(),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn fill(folder: &Path) {
    let store = Store::open(folder, Arc::new(MemoryCatalogue::default()), Durability::Machine).await.unwrap();
    let small = deploy(&store, "small", "1.0", &[b"small"]).await.unwrap();
    let mut receiver = store.receive().unwrap();
    receiver.write(&pack(&[b"kept"])).unwrap();
    let large = pack(&[&[5; 4 << 20]]);
    let error = large.chunks(256 << 10).find_map(|chunk| receiver.write(chunk).err()).unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ResourceExhausted, Retry::Later), "{error}");
    assert!(!error.hint_text().is_empty(), "{error}");
    assert!(receiver.finish(false).is_err());
    assert_eq!(std::fs::read_dir(folder.join("incoming")).unwrap().count(), 0, "nothing half-written stays");
    assert_eq!(store.put(&[6; 4 << 20]).unwrap_err().kind(), ErrorKind::ResourceExhausted);
    assert!(store.missing([Digest::of(&[5; 4 << 20])].into_iter()).len() == 1);

    crate::assert_whole(&store, &small);
    let after = deploy(&store, "after", "1.0", &[b"there is space again"]).await.unwrap();
    crate::assert_whole(&store, &after);
}
