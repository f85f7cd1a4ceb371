//! Deployment modes: who shares a loader, when it goes, and where code of clients is refused.
mod client;
mod continuous;
mod continuous_cluster;
mod fetching;
mod peer_loading_off;
mod sharing;
mod trust;
