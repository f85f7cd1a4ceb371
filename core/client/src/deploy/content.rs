//! What a deployment sends: the roots of its sources, and where each came from.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use haulier_model::{Digest, Error, ErrorKind, Hasher, Result};
use haulier_pack::{PackedRoot, PackedRoots, ReadOptions};
use haulier_protocol::v1;

use super::{Source, UnitOrigin};

const BLOCK_SIZE: usize = 1 << 20;

pub(super) struct Content {
    pub(super) roots: PackedRoots,
    origins: Vec<UnitOrigin>,
}

impl Content {
    /// Reads the sources in their order. The files are hashed as they are meanwhile, by another thread.
    pub(super) fn read(sources: &[Source], options: &ReadOptions<'_>) -> Result<Self> {
        let (files, to_hash) = std::sync::mpsc::channel::<(usize, PathBuf)>();
        std::thread::scope(|scope| {
            let hashing = scope.spawn(move || {
                let hash = |(root, file): (usize, PathBuf)| Ok((root, sha256(&file)?));
                to_hash.into_iter().map(hash).collect::<Result<Vec<_>>>()
            });
            let (mut roots, mut origins) = (Vec::new(), Vec::new());
            for source in sources {
                for root in PackedRoot::read_source_as(&source.path, options)? {
                    let origin = origin_of(source, &root);
                    if let Some(file) = root.file().filter(|_| origin.sha256.is_empty()) {
                        // A thread that has failed is asked below.
                        let _ = files.send((origins.len(), file.to_owned()));
                    }
                    origins.push(origin);
                    roots.push(root);
                }
            }
            drop(files);
            let hashed = hashing.join().map_err(|_| Error::internal("read sources", "a thread panicked"))??;
            for (root, sha256) in hashed {
                origins[root].sha256 = sha256;
            }
            Ok(Self { roots: PackedRoots::of(roots), origins })
        })
    }

    pub(super) fn artifact_version(&self) -> String {
        self.roots.artifact_version().map(|version| version.to_string()).unwrap_or_default()
    }

    /// What the node is told of it.
    pub(super) fn start(&self) -> v1::DeployStart {
        let origins = self.origins.iter().cloned();
        v1::DeployStart {
            roots: Digest::concatenate(&self.roots.manifest.roots).into(),
            sources: self.roots.names(),
            origins: origins
                .map(|UnitOrigin { source, sha256, coordinates }| v1::UnitOrigin { source, sha256, coordinates })
                .collect(),
            ..v1::DeployStart::default()
        }
    }
}

fn origin_of(source: &Source, root: &PackedRoot) -> UnitOrigin {
    match (&source.origin, root.file()) {
        (Some(origin), _) => origin.clone(),
        (None, file) => UnitOrigin {
            source: file.unwrap_or(&source.path).display().to_string(),
            // Of these bytes, whatever is in the file meanwhile.
            sha256: root.root.original.map(|original| original.digest.hex()).unwrap_or_default(),
            coordinates: String::new(),
        },
    }
}

/// The digest of a file as it is, in hexadecimal.
fn sha256(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, format!("read '{}'", path.display()), error.to_string()).with_source(error)
    };
    let mut file = File::open(path).map_err(failed)?;
    let (mut hasher, mut block) = (Hasher::default(), vec![0; BLOCK_SIZE]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hasher.finish().hex()),
            Ok(length) => hasher.update(&block[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}
