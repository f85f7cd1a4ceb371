//! An S3 bucket, or a prefix of one, through OpenDAL. It knows nothing of HTTP but the client that it is given.

use std::{env, path::PathBuf};

use futures_util::{StreamExt as _, TryStreamExt as _};
use haulier_model::{Error, ErrorKind, Result};
use opendal_core::{HttpTransporter, Metadata, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use opendal_service_s3::S3 as Service;
use url::Url;

use super::{Found, StoredFile};
use crate::{
    deadlines::{Deadlines, within},
    download::Body,
    failure, location, web,
};

/// Variables that say where keys come from.
const KEYS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

#[derive(Clone)]
pub(crate) struct S3 {
    operator: Operator,
    deadlines: Deadlines,
}

impl S3 {
    pub(crate) fn open(url: &Url, deadlines: Deadlines) -> Result<Self> {
        let refused = |error| failure::of_s3("read a URL", &error);
        let context = OperationContext::new()
            .with_http_transport(HttpTransporter::new(ReqwestTransport::new(web::client(deadlines)?)));
        let operator = Operator::new(service(url)?).map_err(refused)?.with_context(context);
        Ok(Self { operator, deadlines })
    }

    pub(super) async fn list(&self, operation: &str) -> Result<Vec<StoredFile>> {
        let failed = |error| failure::of_s3(operation, &error);
        let silence = self.deadlines.silence;
        let mut found = Found::new(operation);
        let mut lister = within(silence, operation, self.operator.lister_with("").recursive(true).into_future())
            .await?
            .map_err(failed)?;
        while let Some(entry) = within(silence, operation, lister.try_next()).await?.map_err(failed)? {
            let is_file = entry.metadata().is_file();
            if found.admits(entry.path().trim_end_matches('/'))? && is_file {
                found.add(stored(entry.path(), entry.metadata()));
            }
        }
        Ok(found.finish())
    }

    pub(super) async fn stat(&self, path: &str, operation: &str) -> Result<Option<StoredFile>> {
        let answer = within(self.deadlines.silence, operation, self.operator.stat(path)).await?;
        let metadata = answer.map_err(|error| failure::of_s3(operation, &error))?;
        Ok(metadata.is_file().then(|| stored(path, &metadata)))
    }

    pub(super) async fn open_file(&self, path: &str, operation: &str) -> Result<Body> {
        let failed = |error| failure::of_s3(operation, &error);
        let opened = async { self.operator.reader(path).await?.into_bytes_stream(..).await };
        let chunks = within(self.deadlines.silence, operation, opened).await?.map_err(failed)?;
        let operation = operation.to_owned();
        let chunks = chunks.map(move |chunk| {
            chunk.map(|bytes| bytes.to_vec()).map_err(|error| match error.downcast::<opendal_core::Error>() {
                Ok(error) => failure::of_s3(&operation, &error),
                Err(error) => failure::of_io(&operation, &error),
            })
        });
        Ok(Body { length: None, chunks: chunks.boxed() })
    }
}

fn service(url: &Url) -> Result<Service> {
    let refused = |message: String| {
        Error::new(ErrorKind::InvalidArgument, "read a URL", message)
            .hint("write it like s3://bucket/prefix?endpoint=https://host:9000&region=eu-central-1")
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("keys do not belong into an s3 URL, but into AWS_ACCESS_KEY_ID and such".into()));
    }
    let bucket = url.host_str().unwrap_or_default();
    let mut service = Service::default().bucket(bucket).root(&format!("/{}", location::decoded_path(url)?));
    let mut region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "endpoint" if is_endpoint(&value) => service = service.endpoint(&value),
            "endpoint" => return Err(refused("the endpoint is no http or https URL without credentials".into())),
            "region" => region = Some(value.into_owned()),
            other => {
                let known = location::S3_OPTIONS.join(", ");
                return Err(refused(format!("the option '{}' is not known; known are {known}", other.escape_debug())));
            }
        }
    }
    service = service.region(region.as_deref().unwrap_or("us-east-1"));
    let asks_machine = variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "false");
    if !asks_machine {
        service = service.disable_ec2_metadata();
    }
    Ok(if asks_machine || has_keys() { service } else { service.skip_signature() })
}

fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    })
}

fn has_keys() -> bool {
    let file = |variable_name: &str, default: &str| {
        let named = variable(variable_name).map(PathBuf::from);
        named.or_else(|| Some(env::home_dir()?.join(default))).is_some_and(|path| path.is_file())
    };
    KEYS.iter().any(|name| variable(name).is_some())
        || file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")
        || file("AWS_CONFIG_FILE", ".aws/config")
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn stored(path: &str, metadata: &Metadata) -> StoredFile {
    let modified = metadata.last_modified().map(|time| time.into_inner().as_millisecond());
    StoredFile {
        path: path.to_owned(),
        size: Some(metadata.content_length()),
        modified_ms: modified.and_then(|time| time.try_into().ok()),
        etag: metadata.etag().map(str::to_owned),
    }
}
