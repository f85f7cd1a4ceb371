//! `haulier deploy`.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use haulier::{Cluster, DeployProgress, Error, ErrorKind, MavenOptions, Result, UnitOrigin};
use haulier_sources::{
    Gathered, Gathering, Source,
    maven::{self, Resolver},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    arguments::{Deploy, Format, Maven},
    output,
};

pub(super) async fn deploy(cluster: &Cluster, arguments: Deploy) -> Result<()> {
    let Deploy { name, sources, requirements, version, replace, opaque, nodes, sha256, on_node, maven, connection } =
        arguments;
    let all: Vec<Source> = sources.iter().map(|source| parse(source)).collect::<Result<_>>()?;
    // Here they become one lock, together with the files of requirements.
    let (required, parsed): (Vec<Source>, Vec<Source>) =
        all.into_iter().partition(|source| !on_node && matches!(source, Source::Requirement(_)));
    let bar = progress_bar();
    let (moving, lines) = (bar.clone(), Arc::new(Lines::new()));
    let said = lines.clone();
    let mut deploy = cluster.deploy(&name, &version).replace(replace).opaque(opaque).nodes(nodes);
    deploy = deploy.progress(move |progress| show(&moving, &said, progress));
    deploy = requirements.iter().fold(deploy, |deploy, file| deploy.requirements(file));
    deploy = required.iter().try_fold(deploy, |deploy, source| deploy.requirement(&source.to_string()))?;
    let mut gathered = None;
    if on_node {
        deploy = deploy.sha256(sha256.unwrap_or_default()).maven(options_of_node(maven));
        deploy = sources.iter().fold(deploy, |deploy, source| deploy.source(source));
    } else if sha256.is_some() || parsed.iter().any(|source| !matches!(source, Source::Path(_))) {
        let files = gather(&parsed, sha256, maven, &bar, lines).await.inspect_err(|_| bar.finish_and_clear())?;
        for file in &files.files {
            let (source, sha256, coordinates) = (file.source.clone(), file.sha256.clone(), file.coordinates.clone());
            deploy = if coordinates.is_empty() {
                deploy.source(&file.path)
            } else {
                deploy.resolved(&file.path, UnitOrigin { source, sha256, coordinates })
            };
        }
        if version.is_empty()
            && let Some(version) = &files.version
        {
            deploy = deploy.version(version);
        }
        gathered = Some(files);
    } else {
        deploy = parsed.iter().fold(deploy, |deploy, source| deploy.source(source.to_string()));
    }
    let deployed = deploy.send().await;
    // What was fetched is needed until it is sent.
    drop(gathered);
    bar.finish_and_clear();
    let unit = deployed?;
    for warning in &unit.warnings {
        output::complain(&format!("warning: {warning}"));
    }
    match connection.output {
        Format::Json => {
            let mut object = output::unit_object(&unit);
            object["warnings"] = unit.warnings.iter().map(String::as_str).collect();
            output::say_json(&object);
        }
        Format::Table => output::say(&format!(
            "deployed {unit} ({}, {} files, {})",
            output::size(unit.size),
            unit.entries,
            unit.digest.short()
        )),
    }
    Ok(())
}

/// Says what is not there before anything is read or fetched.
fn parse(source: &str) -> Result<Source> {
    let parsed: Source = source.parse()?;
    match &parsed {
        Source::Path(path) if !path.exists() => {
            Err(Error::new(ErrorKind::NotFound, "read a source", format!("there is no '{source}'"))
                .hint(not_there(source)))
        }
        _ => Ok(parsed),
    }
}

/// What a source that is not there may have been meant as.
fn not_there(source: &str) -> String {
    let is_name = source.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_[],".contains(letter));
    if is_name {
        return format!("a path, or for the distribution of an index: pypi:{source}");
    }
    "a path, a URL (https://...), Maven coordinates (group:artifact:version), or a requirement (requests==2.32.3)"
        .into()
}

async fn gather(
    sources: &[Source],
    sha256: Option<String>,
    options: Maven,
    bar: &ProgressBar,
    lines: Arc<Lines>,
) -> Result<Gathered> {
    let bar = bar.clone();
    let gathering = Gathering {
        resolver: Resolver::new(options.java.clone().unwrap_or_else(|| "java".into()), resolver_jar()),
        maven: maven::MavenOptions {
            dependencies: !options.no_deps,
            include: options.include,
            exclude: options.exclude,
            repositories: options.repository,
            offline: options.offline,
            settings: options.maven_settings,
            local_repository: None,
        },
        uv: None,
        sha256,
        folder: std::env::temp_dir(),
        progress: Arc::new(move |step, done, total| {
            bar.set_message(format!("fetching {}", step.rsplit('/').next().unwrap_or(step)));
            show(&bar, &lines, DeployProgress::Fetching { done, total });
        }),
    };
    gathering.gather(sources).await
}

fn options_of_node(options: Maven) -> MavenOptions {
    MavenOptions {
        no_dependencies: options.no_deps,
        include: options.include,
        exclude: options.exclude,
        repositories: options.repository,
    }
}

/// The resolver's jar, which lies beside the workers' own code.
fn resolver_jar() -> PathBuf {
    let home = std::env::var_os("HAULIER_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let installed = || {
        let program = std::env::current_exe().and_then(|program| program.canonicalize()).unwrap_or_default();
        program.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join("lib/haulier")
    };
    home.unwrap_or_else(installed).join("haulier-maven.jar")
}

/// Drawn on standard error if that is a terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Moves the bar; where none is drawn, a deployment that takes long says a line now and then.
fn show(bar: &ProgressBar, lines: &Lines, progress: DeployProgress) {
    let moved = |step: &'static str, done: u64, total: u64| {
        if bar.length() != Some(total) {
            let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_length(total);
        }
        bar.set_position(done);
        lines.say(|| format!("{step} {} of {}", output::size(done), output::size(total)));
    };
    match progress {
        DeployProgress::Reading => bar.set_message("reading"),
        DeployProgress::Fetching { done, total } => moved("fetching", done, total),
        DeployProgress::Sending { sent, total } => {
            bar.set_message("sending");
            moved("sending", sent, total);
        }
        DeployProgress::Publishing => {
            bar.set_message("publishing");
            lines.say(|| "publishing".to_owned());
        }
        _ => {}
    }
}

/// Lines on standard error, if that is no terminal: at most one in two seconds, and none in the first two.
struct Lines(Option<Mutex<Instant>>);

impl Lines {
    const PAUSE: Duration = Duration::from_secs(2);

    fn new() -> Self {
        Self((!std::io::stderr().is_terminal()).then(|| Mutex::new(Instant::now())))
    }

    fn say(&self, line: impl FnOnce() -> String) {
        let Some(last) = &self.0 else { return };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= Self::PAUSE {
            output::complain(&line());
            *last = Instant::now();
        }
    }
}
