//! Prints the roots of sources, their digests, and how long reading them took.
//!
//! `cargo run -p haulier-pack --example digest -- pricing.jar target/classes mypackage`

use std::{env, path::Path, process::ExitCode, time::Instant};

use haulier_pack::{Limits, PackedRoot};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in env::args().skip(1) {
        let started = Instant::now();
        match PackedRoot::read_source(Path::new(&path), &Limits::default()) {
            Ok(roots) => {
                let elapsed = started.elapsed();
                for root in &roots {
                    println!(
                        "{}  {} ({} entries, {} bytes)",
                        root.digest(),
                        root.name,
                        root.root.entries.len(),
                        root.root.size()
                    );
                }
                println!("{path}: {elapsed:?}");
            }
            Err(error) => {
                eprintln!("{error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
