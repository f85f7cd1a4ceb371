//! Uploads: a multipart body becomes files in a folder of its own, which is removed afterwards in every case.
//!
//! It owns the limits of what a client may send. It must never know what is deployed, nor look into files.

mod body;
mod folder;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use haulier_model::{Error, ErrorKind};
use multer::{Field, Multipart};
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use self::body::{Fault, GuardedBody, Progress};
pub(crate) use self::folder::{UploadFolder, prepare};
use crate::{options::GatewayOptions, problem::Problem};

/// The name that every part has.
const PART: &str = "unitContent";
/// The longest boundary, in bytes (RFC 2046).
const BOUNDARY_SIZE: usize = 70;

/// In which form a unit is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each part is a file.
    Files,
    /// The one part is a zip archive.
    Zip,
}

/// A body that can be read part by part.
pub(crate) struct Upload {
    parts: Multipart<'static>,
    progress: Progress,
}

impl Upload {
    /// Checks what the headers say of a body; nothing of it is read yet, so that a client that waits for `100 Continue`
    /// does not send what is refused.
    pub(crate) fn new(
        headers: &HeaderMap,
        body: Body,
        options: &GatewayOptions,
        cut: CancellationToken,
    ) -> Result<Self, Problem> {
        let boundary = boundary(headers)?;
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|size| size > options.upload_limit) {
            return Err(Fault::TooLarge { limit: options.upload_limit }.into());
        }
        let progress = Progress::default();
        let body = GuardedBody::new(body.into_data_stream(), options, progress.clone(), cut);
        Ok(Self { parts: Multipart::new(body, boundary), progress })
    }

    /// Writes all files of the body to `folder`. `false` if there was none, or if the archive is empty.
    pub(crate) async fn receive(mut self, form: Form, folder: &mut UploadFolder) -> Result<bool, Problem> {
        let (mut parts, mut bytes) = (0, 0);
        while let Some(mut part) = self.parts.next_field().await.map_err(broken)? {
            self.progress.reset();
            let name = file_name(&part)?;
            let file = match form {
                Form::Files => folder.create(name).await?,
                Form::Zip if parts == 0 => folder.create_archive().await?,
                Form::Zip => {
                    let hint = "send the one archive, or its files to .../units/{id}/{version}";
                    return Err(Problem::bad_request("there is more than one archive", hint));
                }
            };
            parts += 1;
            bytes += write(&mut part, file, &self.progress).await?;
        }
        Ok(if form == Form::Files { parts > 0 } else { bytes > 0 })
    }
}

fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).ok();
    boundary.filter(|boundary| (1..=BOUNDARY_SIZE).contains(&boundary.len())).ok_or_else(|| {
        let error = Error::new(ErrorKind::InvalidArgument, "", "the body is no multipart/form-data with a boundary")
            .hint("curl -F unitContent=@FILE ...");
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
    })
}

/// The path that a part is to have in the unit.
fn file_name<'a>(part: &'a Field<'_>) -> Result<&'a str, Problem> {
    if part.name() != Some(PART) {
        let name = part.name().unwrap_or_default().escape_debug();
        return Err(Problem::bad_request(
            format!("a part is called '{name}', not '{PART}'"),
            "curl -F unitContent=@FILE ...",
        ));
    }
    part.file_name().ok_or_else(|| {
        let hint = "curl -F 'unitContent=@FILE;filename=folder/name' ...";
        Problem::bad_request("a part has no file name, or one that is no UTF-8", hint)
    })
}

async fn write(part: &mut Field<'_>, mut file: tokio::fs::File, progress: &Progress) -> Result<u64, Problem> {
    let mut size = 0;
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        progress.reset();
        size += chunk.len() as u64;
        file.write_all(&chunk).await.map_err(|error| folder::failed("write", error))?;
    }
    file.flush().await.map_err(|error| folder::failed("write", error))?;
    Ok(size)
}

fn broken(error: multer::Error) -> Problem {
    if let multer::Error::StreamReadFailed(source) = &error
        && let Some(fault) = source.downcast_ref::<Fault>()
    {
        return fault.clone().into();
    }
    Problem::bad_request(format!("the body is damaged: {error}"), "send it again: curl -F unitContent=@FILE ...")
}
