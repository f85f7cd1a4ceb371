//! A task as a runner sees it, and its outcome as the node reads it.

use std::{
    fs::{self, File},
    io,
};

use bytes::Bytes;
use haulier_model::{Codec, Error, ErrorKind, Result};
use haulier_protocol::{Message as _, v1};
use memmap2::{Mmap, MmapOptions, MmapRaw};

use crate::frame;

/// A task to run.
pub struct Task {
    /// What the node sent; `payload` is empty where the payload is a file.
    pub frame: v1::TaskFrame,
    mapped: Option<Mmap>,
    file: Option<File>,
}

/// How a task ended.
#[derive(Debug)]
pub enum TaskOutcome {
    /// With a result.
    Completed {
        /// What the bytes are.
        codec: Codec,
        /// The result; a large one is handed over in a file.
        payload: Bytes,
    },
    /// With an error: usually `TaskFailed` or `CodeNotFound`.
    Failed(Error),
}

impl Task {
    /// The arguments: from the frame, or mapped from a file.
    pub fn payload(&self) -> &[u8] {
        self.mapped.as_deref().unwrap_or(&self.frame.payload)
    }

    /// Maps arguments that are in a file once more, as memory of the caller's own: what is written there is copied page
    /// by page, and nobody else sees it. `None`: they are in the frame.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn map_private(&self) -> io::Result<Option<MmapRaw>> {
        let Some(file) = &self.file else { return Ok(None) };
        // SAFETY: as in `map`; the pages that are written to are no longer those of the file.
        let mapped = unsafe { MmapOptions::new().map_copy(file) }?;
        Ok(Some(mapped.into()))
    }

    pub(super) fn new(frame: v1::TaskFrame) -> Self {
        Self { frame, mapped: None, file: None }
    }

    /// Maps the payload if it is in a file.
    pub(super) fn open(&mut self) -> Result<()> {
        let path = &self.frame.payload_path;
        if !path.is_empty() {
            let (mapped, file) = map(path, self.frame.payload_size)
                .map_err(|error| Error::internal("read the arguments", error.to_string()).context("path", path))?;
            (self.mapped, self.file) = (Some(mapped), Some(file));
        }
        Ok(())
    }
}

/// A file that is shorter than it was said to be would kill the process when it is read.
fn map(path: &str, size: u64) -> io::Result<(Mmap, File)> {
    let file = File::open(path)?;
    let found = file.metadata()?.len();
    if found != size {
        return Err(io::Error::other(format!("{found} bytes instead of {size}")));
    }
    // SAFETY: the node wrote the file for this task, whole, and only unlinks it.
    let mapped = unsafe { Mmap::map(&file) }?;
    Ok((mapped, file))
}

/// What the node is told. Large results go into the file that the task's frame names.
pub(super) fn result_frame(task: &v1::TaskFrame, outcome: TaskOutcome) -> v1::ResultFrame {
    let result = match outcome {
        TaskOutcome::Completed { codec, payload } => completed(task, codec, payload),
        TaskOutcome::Failed(error) => Err(error),
    };
    match result {
        Ok(frame) if frame.encoded_len() <= frame::LIMIT => frame,
        Ok(frame) => failed(task, &too_large(frame.payload.len())),
        Err(error) => failed(task, &error),
    }
}

fn completed(task: &v1::TaskFrame, codec: Codec, payload: Bytes) -> Result<v1::ResultFrame> {
    let codec = v1::Codec::from(codec).into();
    let size = payload.len() as u64;
    let mut frame = v1::ResultFrame { task_id: task.task_id, codec, payload_size: size, ..v1::ResultFrame::default() };
    if size > task.inline_limit && !task.result_path.is_empty() {
        fs::write(&task.result_path, &payload).map_err(|error| {
            Error::new(ErrorKind::ResourceExhausted, "write the result", format!("{size} bytes: {error}"))
                .context("path", &task.result_path)
                .hint("make room on the node's disk")
                .with_source(error)
        })?;
        frame.in_file = true;
    } else {
        frame.payload = payload;
    }
    Ok(frame)
}

fn failed(task: &v1::TaskFrame, error: &Error) -> v1::ResultFrame {
    let mut frame = v1::ResultFrame { task_id: task.task_id, error: Some(error.into()), ..v1::ResultFrame::default() };
    if frame.encoded_len() > frame::LIMIT {
        let kind = v1::ErrorKind::from(error.kind()).as_str_name();
        frame.error = Some(v1::Error::from(too_large(frame.encoded_len()).context("failure", kind)));
    }
    frame
}

fn too_large(size: usize) -> Error {
    Error::new(
        ErrorKind::ResourceExhausted,
        "send the result",
        format!("{size} bytes are more than a result may have: {}", frame::LIMIT),
    )
    .hint("return less, or write it where the client can read it")
}

#[cfg(test)]
mod tests {
    use haulier_model::RemoteFailure;

    use super::*;

    fn frame(directory: &std::path::Path) -> v1::TaskFrame {
        let result_path = directory.join("result").to_string_lossy().into_owned();
        v1::TaskFrame { task_id: 7, inline_limit: 4, result_path, ..v1::TaskFrame::default() }
    }

    #[test]
    fn large_results_go_into_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let task = frame(directory.path());
        let result =
            |size| result_frame(&task, TaskOutcome::Completed { codec: Codec::Java, payload: vec![1; size].into() });
        let small = result(4);
        assert_eq!((small.in_file, small.payload.len(), small.payload_size), (false, 4, 4));
        assert!(!directory.path().join("result").exists());
        let large = result(5);
        assert_eq!((large.in_file, large.payload.len(), large.payload_size), (true, 0, 5));
        assert_eq!(fs::read(directory.path().join("result")).unwrap(), [1; 5]);
    }

    #[test]
    fn a_result_that_cannot_be_written_is_an_error() {
        let task = frame(std::path::Path::new("/nonexistent"));
        let result = result_frame(&task, TaskOutcome::Completed { codec: Codec::Java, payload: vec![1; 5].into() });
        let error = Error::from(result.error.unwrap());
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
        assert!(error.to_string().contains("/nonexistent/result"), "{error}");
    }

    #[test]
    fn a_failure_beyond_the_limit_of_a_frame_still_arrives() {
        let remote = RemoteFailure { trace: "x".repeat(frame::LIMIT), ..RemoteFailure::default() };
        let error = Error::new(ErrorKind::TaskFailed, "run", "boom").with_remote(remote);
        let result = result_frame(&v1::TaskFrame::default(), TaskOutcome::Failed(error));
        assert!(result.encoded_len() < 1000);
        assert_eq!(Error::from(result.error.unwrap()).kind(), ErrorKind::ResourceExhausted);
    }

    #[test]
    fn payloads_are_mapped_and_their_size_is_checked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("payload");
        fs::write(&path, b"arguments").unwrap();
        let frame = |size| v1::TaskFrame {
            payload_path: path.to_string_lossy().into_owned(),
            payload_size: size,
            ..v1::TaskFrame::default()
        };
        let mut task = Task::new(frame(9));
        task.open().unwrap();
        assert_eq!(task.payload(), b"arguments");
        let error = Task::new(frame(10)).open().unwrap_err();
        assert!(error.to_string().contains("9 bytes instead of 10"), "{error}");
    }
}
