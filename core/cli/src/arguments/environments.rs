//! `haulier node`: what Python environments may cost.

use clap::Args;

#[derive(Args, Clone, Debug)]
pub(crate) struct EnvironmentArguments {
    /// Keep at most so many Python environments; of those not in use the least recently used goes first [default: 32].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) python_environments: Option<u32>,
    /// Keep at most so many bytes of them [default: 34359738368, 32 GiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) python_environments_bytes: Option<u64>,
    /// Build no Python environment of more bytes [default: 8589934592, 8 GiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) python_environment_bytes: Option<u64>,
    /// Build no Python environment of more files [default: 500000].
    #[arg(long, value_name = "N")]
    pub(crate) python_environment_files: Option<u64>,
    /// Keep at most so many bytes of unpacked distributions to build more of them [default: 8589934592, 8 GiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) python_cache_bytes: Option<u64>,
}
