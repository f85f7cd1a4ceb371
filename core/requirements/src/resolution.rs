//! From files and requirements to the lock: what is locked already is taken as it is, everything else is resolved
//! together by uv, for every platform and every Python from 3.11 on.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use haulier_model::{Error, ErrorKind, Result};

use crate::{
    Lock, Pin, Purpose, Requirement, Run, Uv,
    lines::{self, Line},
    pylock,
};

/// The oldest Python that a lock is for.
const PYTHON: &str = "3.11";
/// What a resolution may take.
const DEADLINE: Duration = Duration::from_secs(600);
/// A file of requirements may have so many bytes, and there may be so many files and requirements.
const LARGEST: u64 = Lock::LIMIT as u64;
const MOST: usize = 1000;

/// What is required: files, and single requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// `requirements.txt`, `pylock.toml`, `pyproject.toml`, `uv.lock`, or what uv reads else.
    pub files: Vec<PathBuf>,
    /// "requests==2.32.3".
    pub texts: Vec<Requirement>,
}

/// What requirements were resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The lock.
    pub lock: Lock,
    /// What of the files does not get into the lock although it looks as if it should: an index.
    pub warnings: Vec<String>,
}

impl Requirements {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.texts.is_empty()
    }

    /// What they were named by, for messages and records: "requirements.txt, requests==2.32.3".
    pub fn named(&self) -> String {
        let files = self.files.iter().map(|file| file.display().to_string());
        files.chain(self.texts.iter().map(Requirement::to_string)).collect::<Vec<_>>().join(", ")
    }

    /// What the single requirements were resolved to: "requests==2.32.3"; empty without any.
    pub fn resolved_to(&self, lock: &Lock) -> String {
        let version = |text: &Requirement| Some(format!("{}=={}", text.name(), lock.version_of(text.name())?));
        self.texts.iter().filter_map(version).collect::<Vec<_>>().join(", ")
    }

    /// The version of the one distribution that is required, if it is one.
    pub fn version<'a>(&self, lock: &'a Lock) -> Option<&'a str> {
        match (self.files.as_slice(), self.texts.as_slice()) {
            ([], [only]) => lock.version_of(only.name()),
            _ => None,
        }
    }

    /// Resolves them, by `uv` or by the one that is found ([`Uv::find`]), unless all files are locks. uv reads its own
    /// settings, and those of pip where it has none; wheels only. Dropping the future ends the process.
    ///
    /// # Errors
    /// - `InvalidArgument`: no solution, a distribution without wheels, a file that cannot be read as requirements
    /// - `NotFound`: a file, a distribution or uv is not there
    /// - `Unavailable`: the index cannot be reached; `PermissionDenied`: it wants other credentials
    /// - `ResourceExhausted`: files or the lock are too large; `DeadlineExceeded` after ten minutes
    pub async fn lock(&self, uv: Option<&Uv>) -> Result<Locked> {
        let operation = format!("lock {}", shortened(&self.named()));
        let in_operation = |error: Error| error.in_operation(operation.clone());
        if self.files.len() + self.texts.len() > MOST {
            let message = format!("more than {MOST} files and requirements");
            return Err(Error::new(ErrorKind::ResourceExhausted, operation, message).hint("write them into one file"));
        }
        let read: Vec<File> =
            self.files.iter().map(|file| File::read(file)).collect::<Result<_>>().map_err(in_operation)?;
        let warnings = read.iter().flat_map(File::warnings).collect();
        if self.texts.is_empty() && read.iter().all(|file| file.is_locked()) {
            let pins = read.into_iter().flat_map(File::pins).collect();
            return Ok(Locked { lock: Lock::of(pins).map_err(in_operation)?, warnings });
        }
        let found;
        let uv = match uv {
            Some(uv) => uv,
            None => {
                found = Uv::find().await.map_err(in_operation)?;
                &found
            }
        };
        let lock = self.resolve(uv, &operation, read).await.map_err(in_operation)?;
        tracing::debug!(operation, distributions = lock.pins().len(), "locked");
        Ok(Locked { lock, warnings })
    }

    async fn resolve(&self, uv: &Uv, operation: &str, read: Vec<File>) -> Result<Lock> {
        let (locks, files): (Vec<&PathBuf>, Vec<&PathBuf>) = self.files.iter().partition(|file| is_uv_lock(file));
        let (pylocks, files): (Vec<&PathBuf>, Vec<&PathBuf>) = files.into_iter().partition(|file| is_pylock(file));
        let mut input = self.texts.iter().map(|text| format!("{text}\n")).collect::<String>();
        if !pylocks.is_empty() {
            // uv installs from them, but does not resolve with them.
            let pins = read.into_iter().filter(|file| file.is_pylock).flat_map(File::pins).collect();
            input.push_str(&Lock::of(pins)?.to_string());
        }
        for lock in &locks {
            input.push_str(&export(uv, operation, lock).await?);
        }
        if locks.len() == 1 && pylocks.is_empty() && files.is_empty() && self.texts.is_empty() {
            return Lock::parse(&input);
        }
        let fixed = ["pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate"];
        let wheels = ["--only-binary", ":all:", "--python-version", PYTHON];
        let mut arguments: Vec<OsString> = fixed.iter().chain(&wheels).map(OsString::from).collect();
        arguments.push("--".into());
        arguments.extend(files.into_iter().map(|file| absolute(file).into_os_string()));
        if !input.is_empty() {
            arguments.push("-".into());
        }
        Lock::parse(&uv.run(asked(operation, arguments, input)).await?)
    }
}

/// The pins of a `uv.lock`, without the project itself.
async fn export(uv: &Uv, operation: &str, file: &Path) -> Result<String> {
    let folder = absolute(file).parent().map(Path::to_owned).unwrap_or_default();
    let fixed = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate", "--project"];
    let mut arguments: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    arguments.push(folder.into_os_string());
    uv.run(asked(operation, arguments, String::new())).await
}

/// One run of uv that prints a lock.
fn asked(operation: &str, arguments: Vec<OsString>, input: String) -> Run<'_> {
    let deadline = Instant::now() + DEADLINE;
    Run { operation, purpose: Purpose::Lock, arguments, input, deadline, limit: Lock::LIMIT }
}

/// A file of requirements that was read; one that is no list of lines has none.
struct File {
    name: String,
    lines: Option<Vec<Line>>,
    is_pylock: bool,
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| {
            let (kind, hint) = match error.kind() {
                std::io::ErrorKind::NotFound => (ErrorKind::NotFound, "check the path: ls -l"),
                std::io::ErrorKind::PermissionDenied => (ErrorKind::PermissionDenied, "let this user read it: chmod"),
                _ => (ErrorKind::InvalidArgument, "give a file of requirements, such as requirements.txt"),
            };
            Error::new(kind, "", format!("{name}: {error}")).hint(hint)
        };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > LARGEST {
            let message = format!("{name} has {size} bytes; {LARGEST} are allowed");
            return Err(Error::new(ErrorKind::ResourceExhausted, "", message).hint("is it a file of requirements?"));
        }
        if is_pylock(path) {
            let text = std::fs::read_to_string(path).map_err(failed)?;
            let (pins, names_index) = pylock::read(&text).map_err(|error| error.context("file", &name))?;
            let index = names_index.then(|| Line::Place("index".to_owned()));
            let lines = pins.into_iter().map(Line::Pinned).chain(index).collect();
            return Ok(Self { name, lines: Some(lines), is_pylock: true });
        }
        if path.extension().is_some_and(|extension| extension == "toml" || extension == "lock" || extension == "cfg") {
            return Ok(Self { name, lines: None, is_pylock: false });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Ok(Self { name, lines: Some(lines::read(&text)), is_pylock: false })
    }

    /// Whether nothing in it is left to a resolver. An empty file is locked, too.
    fn is_locked(&self) -> bool {
        let lines = self.lines.as_deref();
        lines.is_some_and(|lines| !lines.iter().any(|line| matches!(line, Line::Loose(_))))
    }

    fn pins(self) -> impl Iterator<Item = Pin> {
        let pin = |line| if let Line::Pinned(pin) = line { Some(pin) } else { None };
        self.lines.into_iter().flatten().filter_map(pin)
    }

    fn warnings(&self) -> impl Iterator<Item = String> {
        let place = |line: &Line| if let Line::Place(word) = line { Some(word.clone()) } else { None };
        self.lines.iter().flatten().filter_map(place).map(|word| {
            format!("{word} of {} is not part of the lock: nodes take distributions from their own index", self.name)
        })
    }
}

fn is_pylock(file: &Path) -> bool {
    file.file_name().is_some_and(|name| pylock::is_meant(&name.to_string_lossy()))
}

fn is_uv_lock(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "uv.lock")
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 120;
    if text.chars().count() <= SHOWN {
        text.to_owned()
    } else {
        text.chars().take(SHOWN).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::whole;

    fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, whole(text)).unwrap();
        path
    }

    /// What is locked already needs no uv.
    #[tokio::test]
    async fn locks_are_taken_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let one =
            written(&folder, "one.txt", "--index-url https://me:secret@h/simple\nsix==1.16.0 --hash=sha256:aaaaaaaa\n");
        let other = written(
            &folder,
            "other.txt",
            "# mine\nSix==1.16.0 --hash=sha256:aaaaaaaa\nidna==3.1 --hash=sha256:bbbbbbbb\n",
        );
        let none = Uv::at("/no/uv");
        let required = Requirements { files: vec![one.clone(), other], texts: Vec::new() };
        let locked = required.lock(Some(&none)).await.unwrap();
        assert_eq!(
            locked.lock.to_string(),
            whole("idna==3.1 \\\n    --hash=sha256:bbbbbbbb\nsix==1.16.0 \\\n    --hash=sha256:aaaaaaaa\n")
        );
        assert_eq!(locked.warnings.len(), 1);
        assert!(locked.warnings[0].contains("--index-url") && !locked.warnings[0].contains("secret"));
        let against = written(&folder, "against.txt", "six==1.15.0 --hash=sha256:aaaaaaaa\n");
        let required = Requirements { files: vec![one, against], texts: Vec::new() };
        let error = required.lock(Some(&none)).await.unwrap_err();
        assert!(error.to_string().contains("1.15.0") && error.to_string().contains("1.16.0"), "{error}");
    }

    #[tokio::test]
    async fn a_pylock_is_a_lock() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = |name: &str| {
            let hash = "ab".repeat(32);
            format!(
                "[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\nwheels = [{{hashes = {{sha256 = \"{hash}\"}}}}]\n"
            )
        };
        let text = format!("lock-version = \"1.0\"\n{}{}", wheel("b"), wheel("a"));
        let path = folder.path().join("pylock.toml");
        std::fs::write(&path, text).unwrap();
        let none = Uv::at("/no/uv");
        let required = Requirements { files: vec![path], texts: Vec::new() };
        let locked = required.lock(Some(&none)).await.unwrap();
        let pins: Vec<_> = locked.lock.pins().iter().map(Pin::to_string).collect();
        assert_eq!(pins, ["a==1.0", "b==1.0"]);
        let more = Requirements { texts: vec!["c".parse().unwrap()], ..required };
        assert!(more.lock(Some(&none)).await.unwrap_err().message().contains("/no/uv"), "the rest is resolved with it");
    }

    #[tokio::test]
    async fn what_must_be_resolved_asks_uv() {
        let folder = tempfile::tempdir().unwrap();
        let none = Uv::at("/no/uv");
        for (name, text) in [("a.txt", "six\n"), ("b.txt", "-r a.txt\n"), ("c.txt", "six==1\n"), ("pyproject.toml", "")]
        {
            let required = Requirements { files: vec![written(&folder, name, text)], texts: Vec::new() };
            let error = required.lock(Some(&none)).await.unwrap_err();
            assert!(error.message().contains("/no/uv"), "{name}: {error}");
        }
        let missing = Requirements { files: vec![folder.path().join("missing.txt")], texts: Vec::new() };
        assert_eq!(missing.lock(Some(&none)).await.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn one_requirement_gives_its_version() {
        let lock = Lock::parse(&whole("a==1 --hash=sha256:00000000\nb==2 --hash=sha256:00000000")).unwrap();
        let required = |texts: &[&str]| Requirements {
            files: Vec::new(),
            texts: texts.iter().map(|text| text.parse().unwrap()).collect(),
        };
        assert_eq!(required(&["pypi:B"]).version(&lock), Some("2"));
        assert_eq!(required(&["a", "b"]).version(&lock), None);
        assert_eq!(required(&["b>1", "a"]).resolved_to(&lock), "b==2, a==1");
        assert_eq!(required(&["b>1", "a"]).named(), "b>1, a");
    }
}
