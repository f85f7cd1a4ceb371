//! Unix stream sockets of a link: reading into a buffer, writing, and passing descriptors.
//!
//! Must never know frames. Nothing here is interrupted by a signal, and a closed peer is an error, never `SIGPIPE`.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use bytes::BytesMut;
use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
    },
};

use crate::frame::BATCH;

/// As many descriptors as one message may carry (`SCM_MAX_FD`).
pub(crate) const DESCRIPTOR_LIMIT: usize = 253;

/// What reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Bytes were appended.
    Some,
    /// There are none now.
    Nothing,
    /// The peer has closed.
    End,
}

/// Two connected sockets, closed on exec.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// Appends what is there; does not wait.
pub(crate) fn read_now(socket: impl AsFd, buffer: &mut BytesMut) -> Result<Read, Errno> {
    read(socket.as_fd(), buffer, RecvFlags::DONTWAIT)
}

/// Waits for bytes and appends them.
pub(crate) fn read_some(socket: impl AsFd, buffer: &mut BytesMut) -> Result<Read, Errno> {
    read(socket.as_fd(), buffer, RecvFlags::empty())
}

fn read(socket: BorrowedFd<'_>, buffer: &mut BytesMut, flags: RecvFlags) -> Result<Read, Errno> {
    if buffer.capacity() - buffer.len() < BATCH / 16 {
        buffer.reserve(BATCH);
    }
    let result = retry_on_intr(|| {
        let ((read, _), _) = recv(socket, buffer.spare_capacity_mut(), flags)?;
        Ok(read.len())
    });
    match result {
        Ok(0) | Err(Errno::CONNRESET) => Ok(Read::End),
        Ok(count) => {
            // SAFETY: the kernel has just written that many bytes into the spare capacity.
            unsafe { buffer.set_len(buffer.len() + count) };
            Ok(Read::Some)
        }
        Err(Errno::AGAIN) => Ok(Read::Nothing),
        Err(error) => Err(error),
    }
}

/// Writes what fits now; 0 if nothing does.
pub(crate) fn write_now(socket: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    match retry_on_intr(|| send(socket.as_fd(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)) {
        Err(Errno::AGAIN) => Ok(0),
        other => other,
    }
}

/// Writes everything; waits as long as the peer does not read.
pub(crate) fn write_all(socket: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let count = retry_on_intr(|| send(socket.as_fd(), bytes, SendFlags::NOSIGNAL))?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Writes what fits now, and descriptors with its first byte; 0 if nothing fits, and then no descriptor has gone.
pub(crate) fn write_with_descriptors(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(descriptors.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(descriptors));
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match retry_on_intr(|| sendmsg(socket.as_fd(), &[IoSlice::new(bytes)], &mut control, flags)) {
        Err(Errno::AGAIN) => Ok(0),
        other => other,
    }
}

/// Waits for bytes, appends them to `buffer`, and the descriptors that came with them to `descriptors`.
pub(crate) fn read_with_descriptors(
    socket: impl AsFd,
    buffer: &mut BytesMut,
    descriptors: &mut impl Extend<OwnedFd>,
) -> Result<Read, Errno> {
    let mut bytes = [0; 4096];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_LIMIT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
    });
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    match received {
        Ok(received) if received.bytes > 0 => {
            buffer.extend_from_slice(&bytes[..received.bytes]);
            Ok(Read::Some)
        }
        Ok(_) | Err(Errno::CONNRESET) => Ok(Read::End),
        Err(Errno::AGAIN) => Ok(Read::Nothing),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_ends() {
        let (a, b) = pair().unwrap();
        let mut buffer = BytesMut::new();
        assert_eq!(read_now(&b, &mut buffer).unwrap(), Read::Nothing);
        write_all(&a, b"hello").unwrap();
        assert_eq!(read_some(&b, &mut buffer).unwrap(), Read::Some);
        assert_eq!(&buffer[..], b"hello");
        drop(a);
        assert_eq!(read_now(&b, &mut buffer).unwrap(), Read::End);
        assert_eq!(write_now(&b, b"x"), Err(Errno::PIPE));
    }

    #[test]
    fn a_full_socket_takes_nothing() {
        let (a, _b) = pair().unwrap();
        let chunk = vec![0; 1 << 20];
        while write_now(&a, &chunk).unwrap() > 0 {}
        let descriptor = rustix::io::dup(&a).unwrap();
        assert_eq!(write_with_descriptors(&a, b"x", &[descriptor.as_fd()]).unwrap(), 0);
    }

    #[test]
    fn descriptors_travel_with_their_bytes() {
        let (a, b) = pair().unwrap();
        let (c, d) = pair().unwrap();
        assert_eq!(write_with_descriptors(&a, b"fork", &[d.as_fd(), d.as_fd()]).unwrap(), 4);
        drop(d);
        let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
        assert_eq!(read_with_descriptors(&b, &mut buffer, &mut received).unwrap(), Read::Some);
        assert_eq!((&buffer[..], received.len()), (&b"fork"[..], 2));
        write_all(&received[1], b"through").unwrap();
        let mut through = BytesMut::new();
        read_some(&c, &mut through).unwrap();
        assert_eq!(&through[..], b"through");
    }
}
