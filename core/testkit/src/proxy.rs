//! A TCP proxy on loopback that can cut or hold what runs through it. It never looks at the bytes.
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Forwards connections to an address until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Empty: nothing is there yet.
    target: Mutex<String>,
    open: Mutex<Vec<TcpStream>>,
    held: Mutex<bool>,
    let_go: Condvar,
    refusing: AtomicBool,
    ended: AtomicBool,
    /// Bytes from clients to the target, and back.
    sent: AtomicU64,
    received: AtomicU64,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `target`, "host:port".
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(target: &str) -> io::Result<Self> {
        let proxy = Self::open()?;
        proxy.lead_to(target);
        Ok(proxy)
    }

    /// Listens on a free loopback port, for a node that is to say this address before it has its own; connections are
    /// closed until [`Self::lead_to`].
    ///
    /// # Errors
    /// If no port is free.
    pub fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = shared.clone();
        thread::spawn(move || accepting.accept(&listener));
        Ok(Self { address, shared })
    }

    /// Forwards new connections to `target`, "host:port".
    pub fn lead_to(&self, target: &str) {
        target.clone_into(&mut lock(&self.shared.target));
    }

    /// Where clients connect, "127.0.0.1:port".
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Breaks every connection that is open now; returns how many ends were closed.
    pub fn cut(&self) -> usize {
        let open = std::mem::take(&mut *lock(&self.shared.open));
        open.iter().for_each(|stream| {
            let _ = stream.shutdown(Shutdown::Both);
        });
        open.len()
    }

    /// With true, new connections are closed at once, as by a node that is away.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::SeqCst);
    }

    /// With true, nothing passes and nothing is closed, as on a network that loses every packet; with false, what was
    /// held passes.
    pub fn hold(&self, held: bool) {
        *lock(&self.shared.held) = held;
        self.shared.let_go.notify_all();
    }

    /// Bytes that clients have sent to the target so far.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Bytes that the target has sent to clients so far.
    pub fn bytes_received(&self) -> u64 {
        self.shared.received.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.hold(false);
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
            let target = lock(&self.target).clone();
            if let Ok(target) = TcpStream::connect(target) {
                let _ = self.forward(client, target);
            }
        }
    }

    fn forward(self: &Arc<Self>, client: TcpStream, target: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        target.set_nodelay(true)?;
        let ends = [client.try_clone()?, target.try_clone()?];
        lock(&self.open).extend(ends);
        let (upstream, downstream) = ((client.try_clone()?, target.try_clone()?), (target, client));
        let shared = self.clone();
        thread::spawn(move || shared.copy(upstream.0, upstream.1, &shared.sent));
        let shared = self.clone();
        thread::spawn(move || shared.copy(downstream.0, downstream.1, &shared.received));
        Ok(())
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, counted: &AtomicU64) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let held = lock(&self.held);
            drop(self.let_go.wait_while(held, |held| *held));
            counted.fetch_add(count as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        assert_eq!((&buffer, proxy.bytes_sent(), proxy.bytes_received()), (b"there", 5, 0));
        assert_eq!(proxy.cut(), 2);
        assert_eq!(client.read(&mut buffer).unwrap_or(0), 0);
        proxy.refuse(true);
        let mut refused = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(refused.read(&mut buffer).unwrap_or(0), 0);
    }

    #[test]
    fn what_is_held_passes_later() {
        let proxy = Proxy::open().unwrap();
        let mut early = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(early.read(&mut [0]).unwrap_or(0), 0, "nothing is there yet");
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        proxy.lead_to(&echo.local_addr().unwrap().to_string());
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let (mut server, _) = echo.accept().unwrap();
        proxy.hold(true);
        client.write_all(b"later").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(server.read(&mut [0]).is_err(), "it is held");
        proxy.hold(false);
        server.set_read_timeout(None).unwrap();
        let mut buffer = [0; 5];
        server.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"later");
    }
}
