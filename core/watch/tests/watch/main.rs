//! Watches over real folders, and real servers, with real archives, and over a storage in memory with a clock that is not real.

mod engine;
mod folder;
mod node;
mod servers;
mod storages;
