//! An HTTP server's listing: pages with links, one per folder. It knows no page format, only links.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use haulier_model::{Error, ErrorKind, Result, Retry};
use reqwest::{Response, StatusCode, header};
use url::Url;

use super::{Found, StoredFile, below, listing};
use crate::{
    deadlines::{Deadlines, within},
    download::Body,
    failure, location,
    web::Web,
};

/// The most bytes that a page may have.
const MAX_PAGE: usize = 16 << 20;
/// How many files are asked for at once.
const AT_ONCE: usize = 8;

#[derive(Clone)]
pub(crate) struct Site {
    web: Web,
    root: Url,
    deadlines: Deadlines,
}

impl Site {
    pub(super) fn open(url: &Url, deadlines: Deadlines) -> Result<Self> {
        if url.query().is_some() {
            let message = format!("a listing has no query, but {} came with one", location::shown(url));
            return Err(Error::new(ErrorKind::InvalidArgument, "read a URL", message)
                .hint("leave out what follows '?'; give user and password like https://user:password@host/"));
        }
        let mut root = url.clone();
        root.set_fragment(None);
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", url.path()));
        }
        Ok(Self { web: Web::new(deadlines)?, root, deadlines })
    }

    pub(super) async fn list(&self, operation: &str) -> Result<Vec<StoredFile>> {
        let mut found = Found::new(operation);
        let (mut folders, mut files) = (vec![String::new()], Vec::new());
        while let Some(folder) = folders.pop() {
            for name in self.names(&folder, operation).await? {
                let path = below(&folder, name.trim_end_matches('/'));
                if found.admits(&path)? {
                    if name.ends_with('/') { &mut folders } else { &mut files }.push(path);
                }
            }
        }
        let asked = files.into_iter().map(|path| {
            let (site, operation) = (self.clone(), operation.to_owned());
            async move { site.stat_listed(path, &operation).await }
        });
        let mut asked = stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some(file) = asked.try_next().await? {
            file.into_iter().for_each(|file| found.add(file));
        }
        Ok(found.finish())
    }

    /// Asks for the headers of a file.
    pub(super) async fn stat(&self, path: &str, operation: &str) -> Result<StoredFile> {
        let facts = self.web.head(self.url_of(path, false), operation).await?;
        Ok(StoredFile { path: path.to_owned(), size: facts.size, modified_ms: facts.modified_ms, etag: facts.etag })
    }

    pub(super) async fn open_file(&self, path: &str, operation: &str) -> Result<Body> {
        self.web.open(self.url_of(path, false), operation).await
    }

    /// A file that is gone since the page was made is left out: the server itself says that it is not there.
    async fn stat_listed(&self, path: String, operation: &str) -> Result<Option<StoredFile>> {
        match self.stat(&path, operation).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            answer => answer.map(Some).map_err(|error| error.context("file", path)),
        }
    }

    async fn names(&self, folder: &str, operation: &str) -> Result<Vec<String>> {
        let answer = self.web.get(self.url_of(folder, true), operation).await?;
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if answer.status() != StatusCode::OK || !kind.contains("html") {
            let message = format!("/{folder} is no page with links: {} {kind}", answer.status());
            return Err(Error::new(ErrorKind::InvalidArgument, operation, message)
                .hint("give the URL of a folder whose files the server lists"));
        }
        let page = answer.url().clone();
        let html = self.text(answer, operation).await?;
        Ok(listing::names(&page, &html).into_iter().collect())
    }

    async fn text(&self, mut answer: Response, operation: &str) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        while let Some(chunk) = within(self.deadlines.silence, operation, answer.chunk())
            .await?
            .map_err(|error| failure::of_web(operation, error))?
        {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_PAGE {
                let message = format!("a page has more than {MAX_PAGE} bytes, the limit");
                return Err(Error::new(ErrorKind::ResourceExhausted, operation, message)
                    .with_retry(Retry::Never)
                    .hint("spread the files over several folders"));
            }
        }
        Ok(text)
    }

    fn url_of(&self, path: &str, is_folder: bool) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').filter(|part| !part.is_empty()));
            if is_folder {
                segments.push("");
            }
        }
        url
    }
}
