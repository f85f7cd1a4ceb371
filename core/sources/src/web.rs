//! HTTP requests: TLS by rustls with ring, proxies of the environment, redirects that are few and never lose TLS. It
//! knows no listings.

use std::time::UNIX_EPOCH;

use futures_util::StreamExt as _;
use haulier_model::Result;
use reqwest::{Client, Method, Response, StatusCode, header, redirect::Policy};
use url::Url;

use crate::{
    deadlines::{Deadlines, within},
    download::Body,
    failure,
};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// A client and its deadlines; cheap to clone.
#[derive(Clone)]
pub(crate) struct Web {
    client: Client,
    deadlines: Deadlines,
}

/// What the headers of an answer say about a file.
pub(crate) struct Facts {
    pub size: Option<u64>,
    pub modified_ms: Option<u64>,
    pub etag: Option<String>,
}

impl Web {
    /// A client; an error if TLS cannot be set up on this machine.
    pub(crate) fn new(deadlines: Deadlines) -> Result<Self> {
        Ok(Self { client: client(deadlines)?, deadlines })
    }

    /// Asks for a page or a file; only a success is an answer.
    pub(crate) async fn get(&self, url: Url, operation: &str) -> Result<Response> {
        success(operation, self.send(Method::GET, url, operation).await?)
    }

    /// Asks for what is known of a file; nothing is, if the server does not know the question.
    pub(crate) async fn head(&self, url: Url, operation: &str) -> Result<Facts> {
        let response = self.send(Method::HEAD, url, operation).await?;
        if matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            return Ok(Facts { size: None, modified_ms: None, etag: None });
        }
        Ok(facts(&success(operation, response)?))
    }

    /// Asks for the bytes of a file.
    pub(crate) async fn open(&self, url: Url, operation: &str) -> Result<Body> {
        let response = self.get(url, operation).await?;
        let length = facts(&response).size;
        let operation = operation.to_owned();
        let chunks = response
            .bytes_stream()
            .map(move |chunk| chunk.map(|bytes| bytes.to_vec()).map_err(|error| failure::of_web(&operation, error)));
        Ok(Body { length, chunks: chunks.boxed() })
    }

    async fn send(&self, method: Method, url: Url, operation: &str) -> Result<Response> {
        let sent = self.client.request(method, url).send();
        let limit = self.deadlines.connect + self.deadlines.silence;
        within(limit, operation, sent).await?.map_err(|error| failure::of_web(operation, error))
    }
}

fn success(operation: &str, response: Response) -> Result<Response> {
    if response.status().is_success() { Ok(response) } else { Err(failure::of_status(operation, response.status())) }
}

/// What the headers of `response` say.
fn facts(response: &Response) -> Facts {
    let text = |name| response.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let modified = text(header::LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    Facts {
        size: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        modified_ms: modified
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|age| age.as_millis().try_into().ok()),
        etag: text(header::ETAG).map(str::to_owned),
    }
}

/// A client that keeps the rules of this module.
pub(crate) fn client(deadlines: Deadlines) -> Result<Client> {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("haulier/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(deadlines.connect)
        .read_timeout(deadlines.silence)
        .redirect(redirects())
        .build()
        .map_err(|error| failure::of_web("set up HTTP", error))
}

fn redirects() -> Policy {
    Policy::custom(|attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error(format!("more than {MAX_REDIRECTS} redirects"));
        }
        let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
        if secure && attempt.url().scheme() != "https" {
            return attempt.error("a redirect leads from https to http");
        }
        attempt.follow()
    })
}
