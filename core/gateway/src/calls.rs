//! The calls: what each route asks of the engine, and what it answers.
//!
//! It owns the form of requests and answers. What the engine says is passed on as it is.

use axum::{
    Extension,
    body::Body,
    extract::{Path, RawQuery, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use haulier_model::{Error, ErrorKind, UnitId};
use serde::Serialize;

use crate::{
    access::Caller,
    engine::{GatewayDeploy, Scope},
    listing,
    parameters::{self, Filter},
    problem::Problem,
    server::Gateway,
    structure,
    upload::{Form, Upload, UploadFolder},
};

type Answer = Result<Response, Problem>;
type Names = Result<Path<(String, String)>, PathRejection>;

const OPENAPI: &str = include_str!("openapi.json");

fn json_text(text: impl Into<Body>) -> Response {
    let mut response = text.into().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|error| Error::internal("answer a request", error.to_string()))?;
    Ok(json_text(text))
}

fn unreadable(rejection: &PathRejection) -> Problem {
    Problem::bad_request(rejection.body_text(), "letters, digits, '.', '_' and '-' in names")
}

fn unit(names: Names) -> Result<UnitId, Problem> {
    let Path((name, version)) = names.map_err(|rejection| unreadable(&rejection))?;
    Ok(UnitId { name: name.parse()?, version: version.parse()? })
}

/// `GET /health`: the gateway lives. Says nothing else, for it needs no token.
pub(crate) async fn health() -> Response {
    json_text("{\"status\":\"UP\"}")
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    json_text(OPENAPI)
}

/// `POST /units/{id}/{version}`.
pub(crate) async fn deploy_files(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Caller>,
    names: Names,
    request: Request,
) -> Answer {
    deploy(gateway, caller, names, request, Form::Files).await
}

/// `POST /units/zip/{id}/{version}`.
pub(crate) async fn deploy_zip(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Caller>,
    names: Names,
    request: Request,
) -> Answer {
    deploy(gateway, caller, names, request, Form::Zip).await
}

/// Everything that can be known without the body is checked before the first byte of it is asked for.
async fn deploy(gateway: Gateway, caller: Caller, names: Names, request: Request, form: Form) -> Answer {
    let id = unit(names)?;
    let nodes = parameters::nodes(request.uri().query())?;
    let (head, body) = request.into_parts();
    let upload = Upload::new(&head.headers, body, &gateway.options, gateway.cut.clone())?;
    let permit = gateway.uploads.clone().try_acquire_owned().map_err(|_| {
        let message = "as many uploads as this node takes at a time are under way";
        Error::new(ErrorKind::Unavailable, "", message).hint("curl --retry 5 ...")
    })?;
    // A task of its own: when the client goes away its request is dropped at any point, and a file that is being made at
    // that moment would outlive the folder's removal. A deploy whose upload was whole goes on.
    let work = gateway.tasks.clone().spawn(async move {
        let _permit = permit;
        let mut folder = UploadFolder::new(gateway.options.temp.clone()).await?;
        let outcome = receive_and_deploy(&gateway, upload, &mut folder, form, id, nodes, caller).await;
        folder.remove().await;
        outcome
    });
    let ended = work.await.map_err(|error| Error::internal("deploy a unit", error.to_string()))?;
    ended.map(|()| json_text("true"))
}

async fn receive_and_deploy(
    gateway: &Gateway,
    upload: Upload,
    folder: &mut UploadFolder,
    form: Form,
    UnitId { name, version }: UnitId,
    nodes: String,
    Caller(deployed_by): Caller,
) -> Result<(), Problem> {
    if !upload.receive(form, folder).await? {
        return Err(Problem::bad_request("there is no content", "curl -F unitContent=@FILE ..."));
    }
    let content = folder.content(form == Form::Zip);
    Ok(gateway.engine.deploy(GatewayDeploy { name, version, content, nodes, deployed_by }).await?)
}

/// `DELETE /units/{id}/{version}`.
pub(crate) async fn undeploy(
    State(gateway): State<Gateway>,
    Extension(Caller(by)): Extension<Caller>,
    names: Names,
    RawQuery(query): RawQuery,
) -> Answer {
    let UnitId { name, version } = unit(names)?;
    parameters::none(query.as_deref())?;
    gateway.engine.undeploy(&name, &version, &by).await?;
    Ok(json_text("true"))
}

async fn list(gateway: &Gateway, scope: Scope, filter: Filter) -> Answer {
    json(&listing::list(gateway.engine.units(scope).await?, &filter))
}

/// `GET /cluster/units` and `/node/units`.
pub(crate) async fn units(
    State(gateway): State<Gateway>,
    Extension(scope): Extension<Scope>,
    RawQuery(query): RawQuery,
) -> Answer {
    list(&gateway, scope, Filter::of_all(query.as_deref())?).await
}

/// `GET /cluster/units/{id}` and `/node/units/{id}`.
pub(crate) async fn units_of(
    State(gateway): State<Gateway>,
    Extension(scope): Extension<Scope>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Answer {
    let Path(name) = name.map_err(|rejection| unreadable(&rejection))?;
    list(&gateway, scope, Filter::of_name(&name, query.as_deref())?).await
}

/// `GET /node/units/structure/{id}/{version}`.
pub(crate) async fn structure(State(gateway): State<Gateway>, names: Names, RawQuery(query): RawQuery) -> Answer {
    let id = unit(names)?;
    parameters::none(query.as_deref())?;
    let files = gateway.engine.structure(&id.name, &id.version).await?;
    json(&structure::tree(format!("{}-{}", id.name, id.version), &files))
}

/// Any other path.
pub(crate) async fn unknown_path() -> Problem {
    let message = "there is no such call";
    Error::new(ErrorKind::NotFound, "", message).hint(format!("GET {}/openapi.json", crate::BASE_PATH)).into()
}

/// A known path with another method.
pub(crate) async fn unknown_method() -> Problem {
    let error = Error::new(ErrorKind::InvalidArgument, "", "this path has no such method")
        .hint(format!("GET {}/openapi.json", crate::BASE_PATH));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error)
}
