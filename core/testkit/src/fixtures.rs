//! Finds what the build has prepared for tests. It builds nothing.
use std::path::{Path, PathBuf};

/// Where cargo builds: `CARGO_TARGET_DIR`, else `target` in the repository.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// The distribution folder: `HAULIER_DIST`, else `dist` in the target folder.
pub(crate) fn distribution() -> PathBuf {
    std::env::var_os("HAULIER_DIST").map_or_else(|| target_dir().join("dist"), PathBuf::from)
}

/// The folder of the compiled fixtures of tests/conformance.
///
/// # Panics
/// If they were not built.
pub fn fixtures() -> PathBuf {
    let folder = target_dir().join("fixtures");
    assert!(folder.join("built-from").is_file(), "no fixtures in {}; run: make build", folder.display());
    folder
}

/// The path of one fixture, such as "pricing-1.jar".
///
/// # Panics
/// If it was not built.
pub fn fixture(name: &str) -> PathBuf {
    let path = fixtures().join(name);
    assert!(path.exists(), "no fixture {}", path.display());
    path
}

/// Where cargo runs the test, which is not always where it was built: clones can share a target folder.
pub(crate) fn repository() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// The Java client, for tasks that are clients themselves.
///
/// # Panics
/// If it was not built.
pub fn client_jar() -> PathBuf {
    let name = format!("java/client/target/haulier-client-{}.jar", env!("CARGO_PKG_VERSION"));
    let path = repository().join(name);
    assert!(path.is_file(), "no Java client {}; run: make build-java", path.display());
    path
}
