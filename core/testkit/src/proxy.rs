//! A TCP proxy on loopback that can cut what runs through it. It never looks at the bytes.
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Forwards connections to an address until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    open: Mutex<Vec<TcpStream>>,
    refusing: AtomicBool,
    ended: AtomicBool,
    /// Bytes from clients to the target.
    sent: AtomicU64,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `target`, "host:port".
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(target: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            open: Mutex::default(),
            refusing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            sent: AtomicU64::new(0),
        });
        let accepting = shared.clone();
        thread::spawn(move || accepting.accept(&listener));
        Ok(Self { address, shared })
    }

    /// Where clients connect, "127.0.0.1:port".
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Breaks every connection that is open now; returns how many ends were closed.
    pub fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.shared.open.lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().for_each(|stream| {
            let _ = stream.shutdown(Shutdown::Both);
        });
        open.len()
    }

    /// With true, new connections are closed at once, as by a node that is away.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Bytes that clients have sent to the target so far.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.cut();
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            if self.refusing.load(Ordering::SeqCst) {
                continue;
            }
            if let Ok(target) = TcpStream::connect(&self.target) {
                let _ = self.forward(client, target);
            }
        }
    }

    fn forward(self: &Arc<Self>, client: TcpStream, target: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        target.set_nodelay(true)?;
        let ends = [client.try_clone()?, target.try_clone()?];
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend(ends);
        let (upstream, downstream) = ((client.try_clone()?, target.try_clone()?), (target, client));
        let shared = self.clone();
        thread::spawn(move || {
            copy(upstream.0, upstream.1, |count| {
                shared.sent.fetch_add(count, Ordering::SeqCst);
            })
        });
        thread::spawn(move || copy(downstream.0, downstream.1, |_| ()));
        Ok(())
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, counted: impl Fn(u64)) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        counted(count as u64);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_until_the_cut() {
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(&echo.local_addr().unwrap().to_string()).unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let (mut server, _) = echo.accept().unwrap();
        client.write_all(b"there").unwrap();
        let mut buffer = [0; 5];
        server.read_exact(&mut buffer).unwrap();
        assert_eq!((&buffer, proxy.bytes_sent()), (b"there", 5));
        assert_eq!(proxy.cut(), 2);
        assert_eq!(client.read(&mut buffer).unwrap_or(0), 0);
        proxy.refuse(true);
        let mut refused = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(refused.read(&mut buffer).unwrap_or(0), 0);
    }
}
