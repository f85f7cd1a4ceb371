//! Code generation, tidy checks and packaging: `cargo xtask <command>`.
use clap::{Parser, Subcommand};

mod codegen;

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
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Arguments::parse().command {
        Command::Codegen { check } => codegen::run(check),
    }
}
