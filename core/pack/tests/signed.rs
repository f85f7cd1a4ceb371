//! A signed jar that is kept by entry still verifies: what the signature is about are the bytes and names of entries.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use haulier_pack::{Limits, PackedRoot};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fn run(program: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program} of the JDK must be on the PATH: {error}"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// A jar with two entries, signed with a key that is made for it.
fn signed(folder: &Path) -> PathBuf {
    let path = folder.join("signed.jar");
    let mut jar = ZipWriter::new(File::create(&path).unwrap());
    for (name, bytes) in [("com/acme/A.class", &b"first"[..]), ("com/acme/b.txt", &[7; 5000])] {
        jar.start_file(name, SimpleFileOptions::default()).unwrap();
        jar.write_all(bytes).unwrap();
    }
    jar.finish().unwrap();
    let store = ["-keystore", "keys.p12", "-storepass", "secret-of-test"];
    let key = ["-genkeypair", "-alias", "acme", "-keyalg", "EC", "-dname", "CN=Acme", "-validity", "2"];
    run("keytool", folder, &[&key[..], &store].concat());
    run("jarsigner", folder, &[&store[..], &["signed.jar", "acme"]].concat());
    path
}

/// The entries of a root as a jar in canonical form: in their order, stored.
fn canonical(root: &PackedRoot, path: &Path, change: impl Fn(&str, Vec<u8>) -> Vec<u8>) {
    let mut jar = ZipWriter::new(File::create(path).unwrap());
    for (index, entry) in root.root.entries.iter().enumerate() {
        let name = entry.path.as_str();
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        jar.start_file(name, stored).unwrap();
        jar.write_all(&change(name, root.bytes(index).unwrap().into_owned())).unwrap();
    }
    jar.finish().unwrap();
}

#[test]
fn signatures_of_entries_stay_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = signed(folder.path());
    let roots = PackedRoot::read_source(&path, &Limits::default()).unwrap();
    let mut exact = Vec::new();
    roots[0].copy_original(&mut exact).unwrap();
    assert_eq!(exact, std::fs::read(&path).unwrap(), "a signed jar keeps its bytes");
    canonical(&roots[0], &folder.path().join("canonical.jar"), |_, bytes| bytes);
    let said = run("jarsigner", folder.path(), &["-verify", "canonical.jar"]);
    assert!(said.contains("jar verified"), "{said}");
    // The check can fail: a changed entry does not verify.
    canonical(&roots[0], &folder.path().join("changed.jar"), |name, bytes| {
        if name.ends_with("b.txt") { vec![8; bytes.len()] } else { bytes }
    });
    let verified =
        Command::new("jarsigner").args(["-verify", "changed.jar"]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(!said.contains("jar verified"), "{said}");
}
