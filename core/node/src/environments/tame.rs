//! Keeps what distributions bring from running before a worker is confined: the interpreter of an environment starts with
//! the rights of the node, and reads path files and `sitecustomize` as it starts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use haulier_model::{Error, ErrorKind, Result};

use super::build::cannot_write;

/// What a path file is called until a confined worker follows it.
const LATER: &str = "pth.later";
/// What beside an interpreter tells it to be another one.
const MISLEADING: [&str; 3] = ["pyvenv.cfg", "pybuilddir.txt", "python._pth"];
/// The path file of uv itself, for tools that change the environment: nobody does.
const OF_UV: &str = "_virtualenv.pth";
/// Modules that an interpreter imports by itself.
const CUSTOM: [&str; 2] = ["sitecustomize", "usercustomize"];

/// What makes an environment the one of its interpreter, as it was before anything was installed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    configuration: Vec<u8>,
    program: PathBuf,
}

impl Interpreter {
    pub(super) fn of(environment: &Path) -> Result<Self> {
        let read = || -> io::Result<Self> {
            let configuration = fs::read(environment.join("pyvenv.cfg"))?;
            Ok(Self { configuration, program: fs::read_link(environment.join("bin/python"))? })
        };
        read().map_err(|error| cannot_write(environment, error))
    }
}

/// Makes an environment harmless to start. Blocks.
///
/// # Errors
/// `PermissionDenied` if a distribution has changed the interpreter, or has a module that each interpreter would run.
pub(super) fn tame(environment: &Path, before: &Interpreter) -> Result<()> {
    let redirects = MISLEADING.iter().any(|name| environment.join("bin").join(name).exists());
    if redirects || Interpreter::of(environment).ok().as_ref() != Some(before) {
        return Err(refused("changes the interpreter of its environment"));
    }
    let folder = site_packages(environment)?;
    let names = fs::read_dir(&folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    for entry in names.map_err(|error| cannot_write(&folder, error))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if CUSTOM.contains(&name.split('.').next().unwrap_or_default()) {
            return Err(refused(&format!("has {name}, which every interpreter would run as it starts")));
        }
        let path = entry.path();
        let moved = match name.as_str() {
            OF_UV => fs::remove_file(&path),
            name if name.ends_with(".pth") => fs::rename(&path, path.with_extension(LATER)),
            _ => Ok(()),
        };
        moved.map_err(|error| cannot_write(&path, error))?;
    }
    Ok(())
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, "build a Python environment", format!("a distribution of the lock {what}"))
        .hint("leave it out of the requirements, or install it for the node's own interpreter")
}

/// Where the distributions of an environment are.
pub(super) fn site_packages(environment: &Path) -> Result<PathBuf> {
    let library = environment.join("lib");
    let entries = fs::read_dir(&library).map_err(|error| cannot_write(&library, error))?;
    let folders = entries.flatten().map(|entry| entry.path().join("site-packages"));
    folders.into_iter().find(|folder| folder.is_dir()).ok_or_else(|| {
        Error::internal("read a Python environment", format!("{} has no site-packages", environment.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("lib/python3.11/site-packages")).unwrap();
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("pyvenv.cfg"), "home = /usr/bin").unwrap();
        std::os::unix::fs::symlink("/usr/bin/python3", folder.path().join("bin/python")).unwrap();
        folder
    }

    #[test]
    fn path_files_wait() {
        let folder = environment();
        let before = Interpreter::of(folder.path()).unwrap();
        let site = site_packages(folder.path()).unwrap();
        fs::write(site.join("evil.pth"), "import os").unwrap();
        tame(folder.path(), &before).unwrap();
        assert!(!site.join("evil.pth").exists() && site.join("evil.pth.later").exists());
        fs::write(site.join("sitecustomize.py"), "").unwrap();
        assert_eq!(tame(folder.path(), &before).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn an_interpreter_that_was_exchanged_is_refused() {
        let folder = environment();
        let before = Interpreter::of(folder.path()).unwrap();
        let program = folder.path().join("bin/python");
        fs::remove_file(&program).unwrap();
        fs::write(&program, "#!/bin/sh").unwrap();
        assert_eq!(tame(folder.path(), &before).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
