//! Generates the protobuf and gRPC code with pure-Rust tools: nobody needs protoc.
use std::{error::Error, fs, path::PathBuf};

const PROTOS: [&str; 7] = ["catalogue", "cluster", "deployment", "module", "peer", "task", "worker"];
const GENERATED: &str = "core/protocol/src/generated";

/// Writes the generated code, or with `check` compares it with what is committed.
pub(crate) fn run(check: bool) -> Result<(), Box<dyn Error>> {
    let root = crate::repository();
    let proto = root.join("proto");
    let files: Vec<PathBuf> = PROTOS.iter().map(|name| proto.join(format!("haulier/v1/{name}.proto"))).collect();
    let descriptors = protox::compile(&files, [&proto])?;
    let out = std::env::temp_dir().join(format!("haulier-codegen-{}", std::process::id()));
    fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(&out)
        .emit_rerun_if_changed(false)
        // Channels are made by hand; and a method `connect` would clash with the call of that name.
        .build_transport(false)
        .compile_fds(descriptors)?;
    let name = "haulier.v1.rs";
    let fresh = fs::read_to_string(out.join(name))?;
    fs::remove_dir_all(&out)?;
    let committed = root.join(GENERATED).join(name);
    if !check {
        fs::create_dir_all(root.join(GENERATED))?;
        fs::write(&committed, fresh)?;
    } else if fs::read_to_string(&committed).ok().as_deref() != Some(fresh.as_str()) {
        return Err(format!("{GENERATED}/{name} is not current; run: cargo xtask codegen").into());
    }
    Ok(())
}
