//! Hashes the protocol and the worker link, so that a worker of another build is recognised.
use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut hasher = DefaultHasher::new();
    for folder in [here.join("src"), here.join("../worker/src")] {
        println!("cargo::rerun-if-changed={}", folder.display());
        add(&folder, &mut hasher);
    }
    println!("cargo::rustc-env=HAULIER_SOURCES={:08x}", hasher.finish() as u32);
}

fn add(folder: &Path, hasher: &mut DefaultHasher) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add(&path, hasher);
        } else if let Ok(bytes) = fs::read(&path) {
            bytes.hash(hasher);
        }
    }
}
