//! Large buffers of pickles, out of band (PEP 574): one payload holds the pickle and the buffers behind it.
//!
//! Whoever reads it makes objects over the payload's own memory, which nobody else has: arrays are not copied, and can be
//! written to. Little-endian, in this order: `MAGIC`, the number of buffers, the length of the pickle, the lengths of
//! the buffers (8 bytes each); the pickle; the buffers, each from the next multiple of `ALIGNMENT` on.

use std::{ffi::c_int, ops::Range};

use bytes::{Bytes, BytesMut};
use memmap2::MmapRaw;
use pyo3::{
    buffer::PyBuffer,
    exceptions::PyValueError,
    ffi,
    prelude::*,
    types::{PyBytes, PyList, PyMemoryView, PySlice},
};

/// No pickle begins so: from protocol 2 on they begin with 0x80.
const MAGIC: [u8; 8] = *b"\0buffers";
const ALIGNMENT: usize = 64;
const WORD: usize = size_of::<u64>();

/// Whether a payload is a pickle with buffers behind it.
pub(crate) fn are_joined(payload: &[u8]) -> bool {
    payload.starts_with(&MAGIC)
}

/// The pickle of a payload, with or without buffers behind it.
pub(crate) fn pickle_of(payload: &[u8]) -> &[u8] {
    let layout = are_joined(payload).then(|| Layout::read(payload)).flatten();
    layout.map_or(payload, |layout| &payload[layout.pickle])
}

/// One payload of a pickle and its buffers, which are copied.
#[pyfunction]
pub(crate) fn join_buffers<'py>(
    pickle: &Bound<'py, PyBytes>,
    buffers: Vec<PyBuffer<u8>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = pickle.py();
    let lengths: Vec<usize> = buffers.iter().map(|buffer| buffer.len_bytes()).collect();
    let layout = Layout::new(pickle.as_bytes().len(), &lengths).ok_or_else(malformed)?;
    PyBytes::new_with(py, layout.size, |payload| {
        payload[..WORD].copy_from_slice(&MAGIC);
        let words = [buffers.len(), pickle.as_bytes().len()].into_iter().chain(lengths);
        for (word, place) in words.zip(payload[WORD..].chunks_exact_mut(WORD)) {
            place.copy_from_slice(&(word as u64).to_le_bytes());
        }
        payload[layout.pickle].copy_from_slice(pickle.as_bytes());
        for (buffer, place) in buffers.iter().zip(layout.buffers) {
            buffer.copy_to_slice(py, &mut payload[place])?;
        }
        Ok(())
    })
}

fn malformed() -> PyErr {
    PyValueError::new_err("a payload with buffers is malformed")
}

/// Where everything is.
struct Layout {
    pickle: Range<usize>,
    buffers: Vec<Range<usize>>,
    size: usize,
}

impl Layout {
    /// `None` for more than fits into memory.
    fn new(pickle: usize, lengths: &[usize]) -> Option<Self> {
        let begin = lengths.len().checked_add(3)?.checked_mul(WORD)?;
        let mut size = begin.checked_add(pickle)?;
        let pickle = begin..size;
        let mut buffers = Vec::with_capacity(lengths.len());
        for length in lengths {
            let begin = size.checked_next_multiple_of(ALIGNMENT)?;
            size = begin.checked_add(*length)?;
            buffers.push(begin..size);
        }
        Some(Self { pickle, buffers, size })
    }

    /// Reads the layout of a payload; `None` if it is not exactly as long as it says.
    fn read(payload: &[u8]) -> Option<Self> {
        let mut words = payload.chunks_exact(WORD).skip(1).map(|word| {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            usize::try_from(word).ok()
        });
        let (count, pickle) = (words.next()??, words.next()??);
        // More lengths than the payload has words end here, before anything is reserved for them.
        let lengths: Vec<usize> = words.take(count).collect::<Option<_>>()?;
        let layout = Self::new(pickle, &lengths)?;
        (lengths.len() == count && layout.size == payload.len()).then_some(layout)
    }
}

/// A payload with buffers. Its memory belongs to it alone, so that it can be lent for writing.
#[pyclass(frozen, module = "haulier._native")]
pub(crate) struct Payload {
    begin: *mut u8,
    length: usize,
    _memory: Memory,
}

enum Memory {
    Mapped(#[expect(dead_code, reason = "owns the memory")] MmapRaw),
    Owned(#[expect(dead_code, reason = "owns the memory")] BytesMut),
}

// SAFETY: the memory stays where it is while the value lives, and is touched through Python's buffers only, whose users
// keep the rules of Python.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

impl Payload {
    /// Over a mapping that nobody else writes to.
    pub(crate) fn mapped(mapping: MmapRaw) -> Self {
        Self { begin: mapping.as_mut_ptr(), length: mapping.len(), _memory: Memory::Mapped(mapping) }
    }

    /// Over bytes, which are copied only if somebody else has them, too.
    pub(crate) fn owned(bytes: Bytes) -> Self {
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        Self { begin: bytes.as_mut_ptr(), length: bytes.len(), _memory: Memory::Owned(bytes) }
    }
}

#[pymethods]
impl Payload {
    /// The pickle, and views of the buffers; they keep this payload.
    fn split<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyList>)> {
        let py = slf.py();
        let this = slf.get();
        let (pickle, ranges) = {
            // SAFETY: nothing has been lent for writing before the first split, and later ones read what is not lent:
            // the head and the pickle.
            let bytes = unsafe { std::slice::from_raw_parts(this.begin, this.length) };
            let layout = Layout::read(bytes).ok_or_else(malformed)?;
            (PyBytes::new(py, &bytes[layout.pickle]), layout.buffers)
        };
        let whole = PyMemoryView::from(slf.as_any())?;
        let buffers = PyList::empty(py);
        for Range { start, end } in ranges {
            buffers.append(whole.get_item(PySlice::new(py, start as isize, end as isize, 1))?)?;
        }
        Ok((pickle, buffers))
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let length = this.length as ffi::Py_ssize_t;
        // SAFETY: Python gives a view to fill; the memory lives as long as the object, to which the view gets a reference.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), this.begin.cast(), length, 0, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
