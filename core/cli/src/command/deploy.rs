//! `haulier deploy`.

use std::{path::Path, time::Duration};

use haulier::{Cluster, DeployProgress, Error, ErrorKind, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    arguments::{Deploy, Format},
    output,
};

pub(super) async fn deploy(cluster: &Cluster, arguments: Deploy) -> Result<()> {
    let Deploy { name, sources, version, replace, nodes, connection } = arguments;
    let bar = progress_bar();
    let moving = bar.clone();
    let mut deploy = cluster.deploy(&name, version).replace(replace).nodes(nodes);
    deploy = deploy.progress(move |progress| show(&moving, progress));
    for source in &sources {
        check(source)?;
        deploy = deploy.source(source);
    }
    let deployed = deploy.send().await;
    bar.finish_and_clear();
    let unit = deployed?;
    match connection.output {
        Format::Json => output::say_json(&output::unit_object(&unit)),
        Format::Table => output::say(&format!(
            "deployed {unit} ({}, {} files, {})",
            output::size(unit.size),
            unit.entries,
            unit.digest.short()
        )),
    }
    Ok(())
}

/// Drawn on standard error if that is a terminal, and nowhere else.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn show(bar: &ProgressBar, progress: DeployProgress) {
    match progress {
        DeployProgress::Reading => bar.set_message("reading"),
        DeployProgress::Sending { sent, total } => {
            if bar.length() != Some(total) {
                let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_length(total);
            }
            bar.set_position(sent);
        }
        DeployProgress::Publishing => bar.set_message("publishing"),
        _ => {}
    }
}

/// Says what is not there before anything is read, and what cannot be fetched.
fn check(source: &str) -> Result<()> {
    if Path::new(source).exists() {
        return Ok(());
    }
    let operation = "read a source";
    if source.contains("://") || source.split(':').count() >= 3 {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            operation,
            format!("'{source}' is no path: this version deploys files and folders only"),
        )
        .hint("download it first, then deploy the file"));
    }
    Err(Error::new(ErrorKind::NotFound, operation, format!("there is no '{source}'")).hint("ls -l"))
}
