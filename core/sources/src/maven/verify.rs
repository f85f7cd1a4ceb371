//! Hashes the files that were named, and compares. It must never know where they came from.

use std::{fs::File, io::Read as _, path::Path};

use haulier_model::{Digest, Error, ErrorKind, Hasher, Result};

use super::{
    Artifact, Resolved,
    event::{Answer, Found},
};

const BUFFER: usize = 1 << 16;

/// Makes of an answer what a caller may rely on.
pub(super) async fn verify(operation: &str, answer: Answer) -> Result<Resolved> {
    let name = operation.to_owned();
    tokio::task::spawn_blocking(move || {
        if answer.artifacts.is_empty() {
            return Err(Error::internal(name, "the resolver named no file"));
        }
        let artifacts = answer.artifacts.into_iter().map(|found| artifact(&name, found)).collect::<Result<_>>()?;
        Ok(Resolved { artifacts, version: answer.version })
    })
    .await
    .unwrap_or_else(|_| Err(Error::internal(operation, "the verification of the files panicked")))
}

fn artifact(operation: &str, found: Found) -> Result<Artifact> {
    let Found { coordinates, file, repository, sha256 } = found;
    if !file.is_absolute() {
        return Err(Error::internal(operation, "the resolver named a file that is not absolute"));
    }
    let promised: Digest = sha256.parse().map_err(|_| Error::internal(operation, "the resolver gave no SHA-256"))?;
    let actual = digest(&file).map_err(|error| {
        Error::new(ErrorKind::Unavailable, operation, format!("cannot read {}: {error}", file.display()))
            .hint(format!("ls -l {}", file.display()))
    })?;
    if actual != promised {
        return Err(Error::new(
            ErrorKind::Unavailable,
            operation,
            format!("{} changed while it was read: {actual} instead of {promised}", file.display()),
        )
        .hint("try again when no other build writes to the local repository"));
    }
    Ok(Artifact { coordinates, file, sha256: actual, repository })
}

fn digest(file: &Path) -> std::io::Result<Digest> {
    let mut file = File::open(file)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(file: &Path, sha256: String) -> Answer {
        let found = Found { coordinates: "g:a:jar:1".into(), file: file.into(), repository: "central".into(), sha256 };
        Answer { artifacts: vec![found], version: "1".into() }
    }

    #[tokio::test]
    async fn a_file_is_what_was_promised_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jar");
        std::fs::write(&file, "bytes").unwrap();
        let right = Digest::of(b"bytes");
        let resolved = verify("resolve g:a:1", answer(&file, right.hex())).await.unwrap();
        assert_eq!(resolved.artifacts[0].sha256, right);
        let wrong = verify("resolve g:a:1", answer(&file, Digest::of(b"other").hex())).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Unavailable);
        let missing = verify("resolve g:a:1", answer(&folder.path().join("b.jar"), right.hex())).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Unavailable);
        let none = verify("resolve g:a:1", Answer { artifacts: vec![], version: "1".into() }).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Internal);
    }
}
