//! Starts a server of every kind that is installed, runs a command, and stops the servers.
//!
//! ```sh
//! cargo run -q -p cloakroom-harness --example servers -- cargo nextest run -p cloakroom-postgres
//! ```
//!
//! The command gets the URLs of the servers in environment variables, which
//! [`cloakroom_harness::servers`] reads. So all test processes share one set of servers instead of
//! each starting its own. If the variable of a kind is already set, even to an empty text, no
//! server of this kind is started.

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};
use std::thread;

use cloakroom_harness::servers::{Kind, Server};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: servers COMMAND ARGUMENTS…");
        return ExitCode::from(2);
    };

    let servers = start_all();
    let mut command = Command::new(&program);
    command.args(arguments);
    for (kind, server) in &servers {
        command.env(kind.variable(), server.url());
    }
    let status = command.status();
    drop(servers);

    match status {
        Ok(status) => code(status),
        Err(error) => {
            eprintln!("servers: running {}: {error}", program.display());
            ExitCode::from(127)
        }
    }
}

/// Starts the servers in parallel, because starting a server is mostly waiting.
fn start_all() -> Vec<(Kind, Server)> {
    thread::scope(|scope| {
        let starting: Vec<_> = Kind::ALL
            .iter()
            .map(|&kind| scope.spawn(move || start(kind)))
            .collect();
        starting
            .into_iter()
            .filter_map(|server| {
                server
                    .join()
                    .expect("the panic of the thread has printed why its server did not start")
            })
            .collect()
    })
}

fn start(kind: Kind) -> Option<(Kind, Server)> {
    let (name, variable) = (kind.name(), kind.variable());
    if env::var_os(variable).is_some() {
        println!("{name}: taken from {variable}");
        return None;
    }
    let Some(server) = kind.start() else {
        println!("{name}: not installed");
        return None;
    };
    println!("{name}: {}", server.url());
    Some((kind, server))
}

/// Returns the exit code that a shell reports for the command.
fn code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(
        code.and_then(|code| u8::try_from(code).ok())
            .unwrap_or(u8::MAX),
    )
}
