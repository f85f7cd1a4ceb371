//! Compiles sources of Python in a confined process of its own, which executes nothing of them.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    time::Duration,
};

use haulier_model::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::{
    commands,
    spawner::Spawn,
    supervisor::{Supervisor, watch_child},
};
use crate::launcher::{Confinement, Instructions};

/// What a compiler may have as memory of its own, in bytes.
const MEMORY: u64 = 2 << 30;

impl Supervisor {
    /// Compiles what `listing` says, with the interpreter `program`; the process reads `folder`, writes to `output` in the
    /// form of [`keep_bytecode`](crate::keep_bytecode), and may do nothing else. Sources that do not compile are left out.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be started, takes longer than `limit`, or does not end well.
    pub async fn compile(
        &self,
        program: &Path,
        listing: &Path,
        folder: &Path,
        output: File,
        limit: Duration,
    ) -> Result<()> {
        let failed = |problem: String| Error::new(ErrorKind::Unavailable, "compile a unit", problem);
        let home = &self.options().home;
        let script = home.join("python/haulier_worker/compiling.py");
        let instructions = Instructions {
            parent: std::process::id(),
            program: program.to_owned(),
            arguments: ["-I", "-S", commands::text(&script)?, commands::text(listing)?].map(str::to_owned).to_vec(),
            environment: Vec::new(),
            directory: "/".into(),
            descriptors: 1,
            private_memory: Some(MEMORY),
            confinement: Some(Confinement::new(program, vec![home.clone(), folder.to_owned()], Vec::new())),
        };
        let nothing = OpenOptions::new().write(true).open("/dev/null").map_err(|error| failed(error.to_string()))?;
        let spawn = Spawn { instructions, descriptors: vec![output.into()], output: nothing.into() };
        let (process, mut exit) = watch_child(self.spawner().spawn(spawn).await?);
        match timeout(limit, &mut exit).await {
            Ok(status) if status == "exit code 0" => Ok(()),
            Ok(status) => Err(failed(format!("the compiler ended: {status}"))),
            Err(_) => {
                process.kill();
                exit.await;
                Err(failed(format!("the compiler took more than {} s", limit.as_secs())))
            }
        }
    }
}
