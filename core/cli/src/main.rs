//! The node and every command, in one binary: arguments in, text or JSON out.
//!
//! Everything that a command does, the crates below can do; here is only how it is asked for and shown.

mod arguments;
mod command;
mod failure;
mod json;
mod node;
mod output;

use std::{ffi::OsStr, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};

use crate::arguments::{Arguments, ClientCommand, Command, NodeAction};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    // A worker confines the process it runs in, which works only while that has one thread.
    if arguments.next().as_deref() == Some(OsStr::new("exec-worker")) {
        haulier_worker::launcher::exec_worker(arguments);
    }
    match Arguments::parse().command {
        Command::Node(node) => match node.action {
            Some(NodeAction::Drain(drain)) => command::run(ClientCommand::Drain(drain)),
            None => node::run(node.arguments),
        },
        Command::Completions(wanted) => {
            clap_complete::generate(wanted.shell, &mut Arguments::command(), "haulier", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::Client(command) => command::run(*command),
    }
}
