//! Which path is which call, and what all calls have around them.

use std::panic::AssertUnwindSafe;

use axum::{
    Extension, Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use futures_util::FutureExt as _;
use haulier_model::Error;

use crate::{BASE_PATH, access, calls, engine::Scope, problem::Problem, server::Gateway};

/// All calls of the gateway.
pub(crate) fn router(gateway: Gateway) -> Router {
    let deployments = Router::new()
        .route("/units/{id}/{version}", post(calls::deploy_files).merge(delete(calls::undeploy)))
        .route("/units/zip/{id}/{version}", post(calls::deploy_zip))
        .route("/node/units/structure/{id}/{version}", get(calls::structure))
        .route("/openapi.json", get(calls::openapi))
        .merge(lists("cluster", Scope::Cluster))
        .merge(lists("node", Scope::Node));
    Router::new()
        .nest(BASE_PATH, deployments)
        .route(access::HEALTH, get(calls::health))
        .fallback(calls::unknown_path)
        .method_not_allowed_fallback(calls::unknown_method)
        .layer(middleware::from_fn_with_state(gateway.clone(), access::guard))
        .layer(middleware::from_fn(surround))
        .with_state(gateway)
}

fn lists(of: &str, scope: Scope) -> Router<Gateway> {
    Router::new()
        .route(&format!("/{of}/units"), get(calls::units))
        .route(&format!("/{of}/units/{{id}}"), get(calls::units_of))
        .layer(Extension(scope))
}

/// A panic becomes an answer, and no answer is kept by caches or guessed at by browsers.
async fn surround(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        Problem::from(Error::internal("answer a request", "the request ended in a panic")).into_response()
    });
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    response
}
