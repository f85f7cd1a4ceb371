//! Code generation, tidy checks and packaging: `cargo xtask <command>`.
//!
//! Owns what keeps the repository in order and what assembles the distribution folder; it never runs tests and knows
//! nothing of what the crates do.
use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use clap::{Parser, Subcommand};

mod codegen;
mod dist;
mod tidy;

/// The repository's own tasks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generates core/protocol/src/generated from proto/.
    Codegen {
        /// Change nothing; fail if the committed code is not current.
        #[arg(long)]
        check: bool,
    },
    /// Checks sizes of files and functions, names, module documentation and left-over notes.
    Tidy {
        /// Also list the files that are over the aim of 400 lines.
        #[arg(long)]
        warnings: bool,
    },
    /// Assembles the distribution folder from what cargo and Maven have built.
    Dist {
        /// Where to; by default `dist` in the target folder.
        #[arg(long)]
        out: Option<PathBuf>,
        /// The folder with the binary and the libraries; by default `debug` in the target folder.
        #[arg(long)]
        from: Option<PathBuf>,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::Codegen { check } => codegen::run(check),
        Command::Tidy { warnings } => tidy::run(warnings),
        Command::Dist { out, from } => dist::run(out, from),
    }
}

/// The root of the repository: where cargo runs this, which is not always where it was built, because clones can share
/// a target folder.
fn repository() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Path::new(&manifest).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
    })
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else `target` in the repository.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
