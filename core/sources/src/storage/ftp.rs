//! An FTP server: a connection per operation, passive mode, names and times by MLSD, or by LIST where that is all there
//! is. Data connections go to the server itself only, whatever address it names.

use std::time::UNIX_EPOCH;

use futures_util::{StreamExt as _, stream};
use haulier_model::{Error, ErrorKind, Result, Retry};
use percent_encoding::percent_decode_str;
use suppaftp::{
    FtpError, FtpResult, Mode, Status,
    list::{File, ListParser},
    tokio::AsyncFtpStream,
    types::FileType,
};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use url::{Host, Url};

use super::{Found, StoredFile, below};
use crate::{
    deadlines::{Deadlines, within},
    download::Body,
    failure, location,
};

/// The most bytes that the listing of one folder may have.
const MAX_LISTING: u64 = 64 << 20;
/// How many bytes are read at once.
const CHUNK: usize = 256 << 10;

#[derive(Clone)]
pub(crate) struct Ftp {
    host: String,
    port: u16,
    user: String,
    password: String,
    folder: String,
    deadlines: Deadlines,
}

impl Ftp {
    pub(crate) fn open(url: &Url, deadlines: Deadlines) -> Result<Self> {
        let refused = |message: &str| {
            Error::new(ErrorKind::InvalidArgument, "read a URL", message)
                .hint("write it like ftp://user:password@host/folder, with %40 for an @ in the password")
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        let user = decoded(url.username()).filter(|user| !user.is_empty());
        let password =
            decoded(url.password().unwrap_or_default()).ok_or_else(|| refused("the password is no UTF-8"))?;
        let (user, password) = user.map_or(("anonymous".into(), "anonymous@".into()), |user| (user, password));
        if url.query().is_some() || [&user, &password].iter().any(|text| text.contains(['\r', '\n'])) {
            return Err(refused("an ftp URL has no query, and no line break in user or password"));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(refused("it names no host")),
        };
        let folder = location::decoded_path(url)?.trim_end_matches('/').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(21), user, password, folder, deadlines })
    }

    pub(super) async fn list(&self, operation: &str) -> Result<Vec<StoredFile>> {
        let mut session = self.connect(operation).await?;
        let mut found = Found::new(operation);
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for file in session.names(&folder).await? {
                let path = below(&folder, file.name());
                if found.admits(&path)? {
                    if file.is_directory() {
                        folders.push(path);
                    } else if file.is_file() {
                        found.add(stored(path, &file));
                    }
                }
            }
        }
        session.end().await;
        Ok(found.finish())
    }

    /// Lists the folder of the file: then it has the same size and time as in a whole listing.
    pub(super) async fn stat(&self, path: &str, operation: &str) -> Result<Option<StoredFile>> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut session = self.connect(operation).await?;
        let files = session.names(folder).await?;
        session.end().await;
        let file = files.iter().find(|file| file.is_file() && file.name() == name);
        Ok(file.map(|file| stored(path.to_owned(), file)))
    }

    pub(super) async fn open_file(&self, path: &str, operation: &str) -> Result<Body> {
        let mut session = self.connect(operation).await?;
        let place = session.place(path);
        // Not every server knows SIZE; a transfer that was cut short is told by its last reply, too.
        let length = session.run(async |ftp| ftp.size(&place).await).await.ok().map(|size| size as u64);
        let transfer = session.run(async |ftp| ftp.retr_as_stream(&place).await).await?;
        let chunks = stream::try_unfold(Some((session, transfer)), |state| async {
            let Some((mut session, mut transfer)) = state else { return Ok(None) };
            let mut chunk = Vec::with_capacity(CHUNK);
            if session.run(async |_| transfer.read_buf(&mut chunk).await.map_err(FtpError::ConnectionError)).await? > 0
            {
                return Ok(Some((chunk, Some((session, transfer)))));
            }
            session.run(async |_| transfer.finish().await).await?;
            session.end().await;
            Ok(None)
        });
        Ok(Body { length, chunks: chunks.boxed() })
    }

    async fn connect(&self, operation: &str) -> Result<Session> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port));
        let tcp = within(self.deadlines.connect, operation, tcp).await?;
        let tcp = tcp.map_err(|error| self.failed(operation, &FtpError::ConnectionError(error)))?;
        let extended = tcp.peer_addr().is_ok_and(|peer| peer.is_ipv6());
        let ftp = within(self.deadlines.silence, operation, AsyncFtpStream::connect_with_stream(tcp)).await?;
        let mut ftp = ftp.map_err(|error| self.failed(operation, &error))?;
        ftp.set_mode(if extended { Mode::ExtendedPassive } else { Mode::Passive });
        ftp.set_passive_nat_workaround(true);
        let mut session = Session { ftp, origin: self.clone(), operation: operation.to_owned(), root: String::new() };
        session.run(async |ftp| ftp.login(&self.user, &self.password).await).await?;
        // Older servers do not know it, and the names are UTF-8 or not in any case.
        let _ = session.run(async |ftp| ftp.opts("UTF8", Some("ON")).await).await;
        session.run(async |ftp| ftp.transfer_type(FileType::Binary).await).await?;
        if !self.folder.is_empty() {
            session.run(async |ftp| ftp.cwd(&self.folder).await).await?;
        }
        session.root = session.run(async |ftp| ftp.pwd().await).await?;
        Ok(session)
    }

    fn failed(&self, operation: &str, error: &FtpError) -> Error {
        failure::of_ftp(operation, error, &self.password)
    }
}

/// A connection that is logged in.
struct Session {
    ftp: AsyncFtpStream,
    origin: Ftp,
    operation: String,
    /// The storage's own folder, as the server calls it.
    root: String,
}

impl Session {
    async fn run<T>(&mut self, work: impl AsyncFnOnce(&mut AsyncFtpStream) -> FtpResult<T>) -> Result<T> {
        let done = within(self.origin.deadlines.silence, &self.operation, work(&mut self.ftp)).await?;
        done.map_err(|error| self.origin.failed(&self.operation, &error))
    }

    fn place(&self, path: &str) -> String {
        format!("{}/{path}", self.root.trim_end_matches('/')).trim_end_matches('/').to_owned()
    }

    /// What a folder has; links and what is neither file nor folder are left out.
    async fn names(&mut self, folder: &str) -> Result<Vec<File>> {
        // Lists the current folder, because servers take the argument of a listing for options or for a pattern.
        let place = self.place(folder);
        let place = if place.is_empty() { "/" } else { &place };
        self.run(async |ftp| ftp.cwd(place).await).await?;
        let known = match self.listing("MLSD").await? {
            Some(text) => text.lines().filter_map(machine_line).collect::<Vec<_>>(),
            None => {
                let text = self.listing("LIST").await?.unwrap_or_default();
                text.lines().filter_map(human_line).collect()
            }
        };
        known.into_iter().collect::<Result<Vec<_>, _>>().map_err(|line: String| {
            let message = format!("the server lists '{}', which cannot be understood", line.escape_debug());
            Error::new(ErrorKind::Unavailable, &self.operation, message)
                .with_retry(Retry::Never)
                .hint("use a server that knows MLSD (RFC 3659)")
        })
    }

    /// The text of a listing; None if the server does not know the command.
    async fn listing(&mut self, command: &str) -> Result<Option<String>> {
        let (silence, operation) = (self.origin.deadlines.silence, self.operation.clone());
        let opened = [Status::AboutToSend, Status::AlreadyOpen];
        let answer = within(silence, &operation, self.ftp.custom_data_command(command, &opened)).await?;
        let unknown = [Status::BadCommand, Status::NotImplemented, Status::CommandNotImplemented];
        let mut transfer = match answer {
            Err(FtpError::UnexpectedResponse(reply)) if unknown.contains(&reply.status) && command == "MLSD" => {
                return Ok(None);
            }
            answer => answer.map_err(|error| self.origin.failed(&operation, &error))?.1,
        };
        let mut text = Vec::new();
        while self.run(async |_| transfer.read_buf(&mut text).await.map_err(FtpError::ConnectionError)).await?.gt(&0) {
            if text.len() as u64 > MAX_LISTING {
                let message = format!("a folder's listing has more than {MAX_LISTING} bytes, the limit");
                return Err(Error::new(ErrorKind::ResourceExhausted, operation, message)
                    .with_retry(Retry::Never)
                    .hint("spread the files over several folders"));
            }
        }
        self.run(async |_| transfer.finish().await).await?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Says goodbye; the work is done, so a failure does not matter.
    async fn end(mut self) {
        let _ = self.run(async |ftp| ftp.quit().await).await;
    }
}

/// A line of MLSD; None for links, the folder itself and its parent; the line itself if it cannot be understood.
fn machine_line(line: &str) -> Option<Result<File, String>> {
    let facts = line.split_once(' ').map_or(line, |(facts, _)| facts).to_ascii_lowercase();
    let kind = facts.split(';').find_map(|fact| fact.strip_prefix("type="))?;
    let readable = matches!(kind, "file" | "dir") && !line.contains('\u{fffd}');
    readable.then(|| ListParser::parse_mlsd(line).map_err(|_| line.to_owned()))
}

/// A line of LIST, as Unix or DOS servers write it.
fn human_line(line: &str) -> Option<Result<File, String>> {
    if line.trim().is_empty() || line.starts_with("total ") || line.contains('\u{fffd}') {
        return None;
    }
    match ListParser::parse_posix(line).or_else(|_| ListParser::parse_dos(line)) {
        Ok(file) if matches!(file.name(), "." | "..") || file.is_symlink() => None,
        Ok(file) => Some(Ok(file)),
        Err(_) => Some(Err(line.to_owned())),
    }
}

fn stored(path: String, file: &File) -> StoredFile {
    let modified = file.modified().duration_since(UNIX_EPOCH).ok().filter(|age| !age.is_zero());
    let modified_ms = modified.and_then(|age| age.as_millis().try_into().ok());
    StoredFile { path, size: Some(file.size() as u64), modified_ms, etag: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_machines() {
        let file = machine_line("Type=file;Size=12;Modify=20241027033320; a; b.jar").unwrap().unwrap();
        assert_eq!((file.name(), file.size(), file.is_file()), ("a; b.jar", 12, true));
        assert_eq!(stored("x".into(), &file).modified_ms, Some(1_730_000_000_000));
        assert!(machine_line("type=dir;modify=20241027033320; lib").unwrap().unwrap().is_directory());
        for left_out in [
            "type=cdir;modify=20241027033320; /units",
            "type=pdir; ..",
            "type=OS.unix=slink:/etc/passwd;size=1; link",
            "type=file;size=1; bad\u{fffd}name",
        ] {
            assert!(machine_line(left_out).is_none(), "{left_out}");
        }
        assert!(machine_line("type=file;size=many; x").unwrap().is_err());
    }

    #[test]
    fn lines_for_humans() {
        let unix = human_line("-rw-r--r-- 1 user group 1234 Nov  5  2024 a b.jar").unwrap().unwrap();
        assert_eq!((unix.name(), unix.size()), ("a b.jar", 1234));
        let dos = human_line("04-08-24  03:09PM  <DIR>  lib").unwrap().unwrap();
        assert!(dos.is_directory());
        for left_out in ["", "total 12", "lrwxrwxrwx 1 u g 11 Nov  5  2024 link -> /etc/passwd"] {
            assert!(human_line(left_out).is_none(), "{left_out}");
        }
        assert!(human_line("what is this").unwrap().is_err());
    }
}
