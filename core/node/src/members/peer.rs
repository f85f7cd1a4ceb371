//! Another node of the cluster, as this one sees it.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use haulier_model::Digest;
use haulier_protocol::{
    MESSAGE_LIMIT,
    v1::{self, peer_service_client::PeerServiceClient},
};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tonic::{Request, transport::Channel};

use super::{Dialer, Registration};

/// A member; a node that starts again is another peer.
pub(crate) struct Peer {
    registration: RwLock<Registration>,
    channel: Channel,
    dialer: Dialer,
    heard: AtomicBool,
    /// Tasks there that others have sent, as of the last report.
    others: AtomicU32,
    /// Tasks that this node has passed on and that are not answered.
    outstanding: AtomicU32,
    average_us: AtomicU64,
    held: RwLock<HashSet<Digest>>,
    /// Cancelled when the peer is no longer a member.
    pub(crate) gone: CancellationToken,
}

impl Peer {
    pub(super) fn new(registration: Registration, channel: Channel, dialer: Dialer) -> Self {
        Self {
            registration: RwLock::new(registration),
            channel,
            dialer,
            heard: AtomicBool::new(false),
            others: AtomicU32::new(0),
            outstanding: AtomicU32::new(0),
            average_us: AtomicU64::new(0),
            held: RwLock::default(),
            gone: CancellationToken::new(),
        }
    }

    pub(crate) fn registration(&self) -> Registration {
        self.registration.read().clone()
    }

    pub(crate) fn name(&self) -> String {
        self.registration.read().name.clone()
    }

    /// Takes a changed registration of the same start; `false` if it is of another start.
    pub(super) fn update(&self, registration: &Registration) -> bool {
        let mut current = self.registration.write();
        let same = current.incarnation == registration.incarnation && current.address == registration.address;
        if same {
            current.clone_from(registration);
        }
        same
    }

    /// Whether it was heard lately.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }

    /// Notes that it is heard, or not any more; whether that is new.
    pub(super) fn set_heard(&self, heard: bool) -> bool {
        self.heard.swap(heard, Ordering::AcqRel) != heard
    }

    /// Takes a report; whether units have come or gone.
    pub(super) fn take(&self, report: &v1::ReportResponse) -> bool {
        self.others.store(report.tasks, Ordering::Relaxed);
        self.average_us.store(report.average_task_us, Ordering::Relaxed);
        let (held, dropped) = (Digest::split(&report.units_held), Digest::split(&report.units_dropped));
        let (held, dropped) = (held.unwrap_or_default(), dropped.unwrap_or_default());
        let changed = !held.is_empty() || !dropped.is_empty();
        if changed {
            let mut units = self.held.write();
            units.retain(|digest| !dropped.contains(digest));
            units.extend(held);
        }
        changed
    }

    /// A new listening: the first report says all.
    pub(super) fn forget_held(&self) {
        self.held.write().clear();
    }

    pub(crate) fn holds(&self, unit: &Digest) -> bool {
        self.held.read().contains(unit)
    }

    pub(crate) fn held(&self) -> Vec<Digest> {
        self.held.read().iter().copied().collect()
    }

    /// Tasks that wait or run there, about; and what one takes, in microseconds.
    pub(crate) fn load(&self) -> (u32, u64) {
        let tasks = self.others.load(Ordering::Relaxed).saturating_add(self.outstanding.load(Ordering::Relaxed));
        (tasks, self.average_us.load(Ordering::Relaxed))
    }

    pub(crate) fn sent(&self) {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self) {
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
    }

    /// For calls between nodes.
    pub(crate) fn client(&self) -> PeerServiceClient<Channel> {
        PeerServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_LIMIT)
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request that shows the cluster's token.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.dialer.request(message)
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }
}
