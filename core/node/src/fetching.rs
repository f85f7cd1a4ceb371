//! Deployments of what the node fetches itself: URLs, Maven coordinates, Python requirements. It reads none of its own files for a client.

use std::{path::PathBuf, sync::Arc, time::Duration};

use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{
    status,
    v1::{self, deploy_from_response::Message},
};
use haulier_sources::{
    Gathering, Source,
    maven::{MavenOptions, Resolver},
};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    core::NodeCore,
    deployer::{Order, Origin},
    deployments::deployed,
    modules::Messages,
};

/// How often the client is told how far it is, also when nothing has changed: so that it knows that the node is there.
const REPORT: Duration = Duration::from_millis(200);
/// The most sources of one deployment.
const MOST_SOURCES: usize = 1000;

/// Fetches and deploys, and says how far it is. A client that goes away stops it, unless it is published already.
pub(crate) fn deploy_from(
    node: &Arc<NodeCore>,
    deployed_by: &str,
    request: v1::DeployFromRequest,
) -> Messages<v1::DeployFromResponse> {
    let (sender, receiver) = mpsc::channel(4);
    let (node, by) = (node.clone(), deployed_by.to_owned());
    tokio::spawn(async move {
        let progress = Arc::new(Mutex::new(v1::DeployProgress::default()));
        let mut working = std::pin::pin!(deploy(&node, &by, request, progress.clone()));
        let mut tick = tokio::time::interval(REPORT);
        let last = loop {
            tokio::select! {
                done = &mut working => break done,
                _ = tick.tick() => {
                    let now = Message::Progress(progress.lock().clone());
                    if sender.send(Ok(v1::DeployFromResponse { message: Some(now) })).await.is_err() {
                        return;
                    }
                }
            }
        };
        let last = last.map(|unit| v1::DeployFromResponse { message: Some(Message::Unit(unit)) });
        if let Err(error) = &last {
            tracing::info!(%error, "a deploy was refused");
        }
        // The client may be gone.
        let _ = sender.send(last.map_err(|error| status::from_error(&error))).await;
    });
    Box::pin(ReceiverStream::new(receiver))
}

async fn deploy(
    node: &Arc<NodeCore>,
    deployed_by: &str,
    request: v1::DeployFromRequest,
    progress: Arc<Mutex<v1::DeployProgress>>,
) -> Result<v1::Unit> {
    let mut order = Order::parse(&request.name, &request.version, deployed_by)?;
    order.replace = request.replace;
    order.nodes = request.nodes;
    order.opaque = request.opaque;
    let operation = order.operation();
    let in_operation = |error: Error| error.in_operation(operation.clone());
    node.check_nodes(&order.nodes).map_err(in_operation)?;
    let sources = parse(&request.sources).map_err(in_operation)?;
    let upload = node.uploads.begin(&order.name, order.version.as_ref(), deployed_by);
    let gathering = Gathering {
        resolver: Resolver::new(node.jdks.first(), node.home.join("haulier-maven.jar")),
        uv: node.python_environments.named_uv(),
        maven: maven_options(request.maven.unwrap_or_default()),
        sha256: Some(request.sha256).filter(|digest| !digest.is_empty()),
        folder: node.temp.clone(),
        progress: Arc::new(move |step, done, total| {
            *progress.lock() = v1::DeployProgress { step: step.to_owned(), done, total };
        }),
    };
    let gathered = tokio::select! {
        gathered = gathering.gather(&sources) => gathered.map_err(|error| of_source(error, &operation))?,
        () = upload.cancelled() => {
            let message = "it was undeployed before it was whole";
            return Err(Error::new(ErrorKind::Canceled, &operation, message).hint("deploy it again"));
        }
    };
    if order.version.is_none()
        && let Some(version) = &gathered.version
    {
        // A version that only Python knows ("1!2.0") is none of a unit.
        order.version = version.parse().ok();
    }
    let origin = |file: &haulier_sources::GatheredFile| Origin {
        source: file.source.clone(),
        sha256: file.sha256.clone(),
        coordinates: file.coordinates.clone(),
    };
    let origins: Vec<(PathBuf, Option<Origin>)> =
        gathered.files.iter().map(|file| (file.path.clone(), Some(origin(file)))).collect();
    let record = node.deploy_files(origins, order).await?;
    Ok(deployed(node, &record))
}

/// Of several sources the error says which one it is about.
fn of_source(error: Error, operation: &str) -> Error {
    let step = error.operation().to_owned();
    let error = error.in_operation(operation);
    if step.is_empty() { error } else { error.context("step", step) }
}

fn parse(sources: &[String]) -> Result<Vec<Source>> {
    let refused = |message: String| {
        Err(Error::new(ErrorKind::InvalidArgument, "", message)
            .hint("haulier deploy NAME URL, or NAME group:artifact:version, or NAME pypi:requests"))
    };
    if sources.is_empty() || sources.len() > MOST_SOURCES {
        return refused(format!("{} sources; there must be one, and at most {MOST_SOURCES}", sources.len()));
    }
    let mut parsed = Vec::new();
    for text in sources {
        match text.parse()? {
            Source::Url(url) if url.scheme() == "file" => {
                return refused("a node reads no files for its clients".to_owned());
            }
            Source::Path(path) => {
                return refused(format!(
                    "'{}' is neither a URL nor Maven coordinates nor a requirement",
                    path.display()
                ));
            }
            source => parsed.push(source),
        }
    }
    Ok(parsed)
}

fn maven_options(options: v1::MavenOptions) -> MavenOptions {
    MavenOptions {
        dependencies: !options.no_dependencies,
        include: options.include,
        exclude: options.exclude,
        repositories: options.repositories,
        ..MavenOptions::default()
    }
}
