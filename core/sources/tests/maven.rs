//! Maven coordinates through the real program, against a real repository over HTTP. No test asks Maven Central.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use haulier_model::{Digest, ErrorKind};
use haulier_sources::maven::{MavenOptions, Progress, Resolver};
use tempfile::TempDir;

/// A folder in the layout of Maven, served until it is dropped.
struct Repository {
    folder: TempDir,
    process: Child,
    url: String,
}

impl Repository {
    fn start(credentials: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("served")).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/servers/maven.py");
        let mut process = Command::new("python3")
            .arg(script)
            .arg(folder.path().join("served"))
            .args(credentials)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { folder, process, url: url.trim().to_owned() }
    }

    /// Adds a jar whose bytes are its coordinates, with dependencies "g:a:v".
    fn artifact(&self, coordinates: &str, dependencies: &[&str]) {
        let parts: Vec<&str> = coordinates.split(':').collect();
        let folder = self.folder.path().join("served").join(parts.join("/"));
        fs::create_dir_all(&folder).unwrap();
        let stem = format!("{}-{}", parts[1], parts[2]);
        let dependencies: String =
            dependencies.iter().map(|one| format!("<dependency>{}</dependency>", elements(one))).collect();
        let pom = format!(
            "<project><modelVersion>4.0.0</modelVersion>{}<dependencies>{dependencies}</dependencies></project>",
            elements(coordinates),
        );
        fs::write(folder.join(format!("{stem}.pom")), pom).unwrap();
        fs::write(folder.join(format!("{stem}.jar")), coordinates).unwrap();
    }

    /// Options with which nothing but this repository is asked, and nothing is written elsewhere.
    fn options(&self) -> MavenOptions {
        let mirror =
            format!("<mirrors><mirror><id>test</id><mirrorOf>*</mirrorOf><url>{}</url></mirror></mirrors>", self.url);
        self.with_settings(&mirror)
    }

    fn with_settings(&self, content: &str) -> MavenOptions {
        let settings = self.folder.path().join("settings.xml");
        fs::write(&settings, format!("<settings>{content}</settings>")).unwrap();
        MavenOptions {
            settings: Some(settings),
            local_repository: Some(self.folder.path().join("local")),
            ..MavenOptions::default()
        }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

fn elements(coordinates: &str) -> String {
    let parts: Vec<&str> = coordinates.split(':').collect();
    format!("<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>", parts[0], parts[1], parts[2])
}

fn resolver() -> Resolver {
    Resolver::new("java", jar())
}

/// The program: as Maven built it just now, else of the distribution.
fn jar() -> PathBuf {
    let version = env!("CARGO_PKG_VERSION");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = root.join(format!("java/maven/target/haulier-maven-{version}.jar"));
    let installed = std::env::var_os("HAULIER_DIST")
        .map(|folder| Path::new(&folder).join("lib/haulier/haulier-maven.jar"))
        .filter(|jar| jar.is_file());
    let jar = if built.is_file() { Some(built) } else { installed };
    jar.expect("build it: mvn --batch-mode -q -f java/pom.xml -pl maven -am install -DskipTests")
}

fn names(resolved: &haulier_sources::maven::Resolved) -> Vec<&str> {
    resolved.artifacts.iter().map(|artifact| artifact.coordinates.as_str()).collect()
}

#[tokio::test]
async fn an_artifact_comes_with_what_it_needs() {
    let repository = Repository::start(None);
    repository.artifact("acme:app:1.0", &["acme:near:1.0", "other:log:2.0"]);
    repository.artifact("acme:near:1.0", &["acme:leaf:1.0"]);
    repository.artifact("acme:leaf:1.0", &[]);
    repository.artifact("other:log:2.0", &[]);
    let heard = Mutex::new(Vec::<Progress>::new());
    let hear = |progress| heard.lock().unwrap().push(progress);
    let resolved = resolver().resolve("acme:app:1.0", &repository.options(), hear).await.unwrap();
    assert_eq!(resolved.version, "1.0");
    assert_eq!(names(&resolved), ["acme:app:jar:1.0", "acme:near:jar:1.0", "acme:leaf:jar:1.0", "other:log:jar:2.0"]);
    let first = &resolved.artifacts[0];
    assert_eq!(fs::read(&first.file).unwrap(), b"acme:app:1.0");
    assert_eq!((first.sha256, first.repository.as_str()), (Digest::of(b"acme:app:1.0"), "test"));
    let heard = heard.into_inner().unwrap();
    let leaf = heard.iter().find(|progress| progress.url.ends_with("leaf-1.0.jar") && progress.done > 0).unwrap();
    assert_eq!((leaf.done, leaf.total), (13, Some(13)));

    let exclude = MavenOptions { exclude: vec!["acme:ne*".into()], ..repository.options() };
    let resolved = resolver().resolve("acme:app:1.0", &exclude, |_| ()).await.unwrap();
    assert_eq!(names(&resolved), ["acme:app:jar:1.0", "other:log:jar:2.0"]);
    let include = MavenOptions { include: vec!["*:leaf".into()], offline: true, ..repository.options() };
    let resolved = resolver().resolve("acme:app:1.0", &include, |_| ()).await.unwrap();
    assert_eq!(names(&resolved), ["acme:app:jar:1.0", "acme:leaf:jar:1.0"]);
    let alone = MavenOptions { dependencies: false, ..repository.options() };
    let resolved = resolver().resolve("acme:app:jar:1.0", &alone, |_| ()).await.unwrap();
    assert_eq!(names(&resolved), ["acme:app:jar:1.0"]);
}

#[tokio::test]
async fn what_is_missing_is_named_with_the_repositories_that_were_asked() {
    let repository = Repository::start(None);
    repository.artifact("acme:app:1.0", &["acme:gone:1.0"]);
    let error = resolver().resolve("acme:app:1.0", &repository.options(), |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.operation(), "resolve acme:app:1.0");
    assert!(error.message().contains("acme:gone:jar:1.0") && error.message().contains(&repository.url), "{error}");
}

#[tokio::test]
async fn a_changed_file_is_not_what_its_checksum_says() {
    let repository = Repository::start(None);
    repository.artifact("acme:app:1.0", &[]);
    let checksum = repository.folder.path().join("served/acme/app/1.0/app-1.0.jar.sha1");
    fs::write(checksum, "0".repeat(40)).unwrap();
    let error = resolver().resolve("acme:app:1.0", &repository.options(), |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("acme:app:jar:1.0"), "{error}");
}

#[tokio::test]
async fn credentials_come_from_the_settings_and_never_show() {
    let repository = Repository::start(Some("me:secret-7"));
    repository.artifact("acme:app:1.0", &[]);
    let settings = |password: &str| {
        let mirror = format!("<mirror><id>vault</id><mirrorOf>*</mirrorOf><url>{}</url></mirror>", repository.url);
        let server = format!("<server><id>vault</id><username>me</username><password>{password}</password></server>");
        repository.with_settings(&format!("<servers>{server}</servers><mirrors>{mirror}</mirrors>"))
    };
    let error = resolver().resolve("acme:app:1.0", &settings("wrong-9"), |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint_text().contains("<id>vault</id>"), "{error}");
    assert!(!format!("{error:?}").contains("wrong-9"), "{error:?}");
    let resolved = resolver().resolve("acme:app:1.0", &settings("secret-7"), |_| ()).await.unwrap();
    assert_eq!(resolved.artifacts[0].repository, "vault");
    let in_url = MavenOptions { repositories: vec!["http://me:secret-7@acme.example/".into()], ..settings("secret-7") };
    let error = resolver().resolve("acme:app:1.0", &in_url, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(!format!("{error:?}").contains("secret-7"), "{error:?}");
}

#[tokio::test]
async fn without_java_or_its_program_the_error_says_what_to_do() {
    let options = MavenOptions::default();
    let error = Resolver::new("/no/java", jar()).resolve("a:b:1", &options, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("/no/java") && error.hint_text().contains("--java"), "{error}");
    let error = Resolver::new("java", "/no/maven.jar").resolve("a:b:1", &options, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("/no/maven.jar"), "{error}");
    let error = Resolver::new("java", jar()).resolve("a:b:LATEST", &options, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn a_program_that_gives_no_answer_is_an_error_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.jar");
    fs::write(&broken, "no jar").unwrap();
    let options = MavenOptions::default();
    let error = Resolver::new("java", &broken).resolve("a:b:1", &options, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("exit status: 1") && error.to_string().contains("broken.jar"), "{error}");
    let error = Resolver::new("echo", &broken).resolve("a:b:1", &options, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}
