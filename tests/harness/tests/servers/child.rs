//! A test can run itself again in a child process. An environment variable gives the child a role,
//! which is a text that tells the child what to do. The child sends messages in its output.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use cloakroom_harness::servers::Kind;

/// Returns the role of this process, or `None` if it is not a child that [`command`] has started.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Returns the kind of server that this child is to start. The role is the name of the kind.
pub(crate) fn kind() -> Option<Kind> {
    let name = role()?;
    Kind::ALL.iter().copied().find(|kind| kind.name() == name)
}

/// Returns a command that runs the test with this path in a child process. The child does not see
/// the URLs of existing servers.
pub(crate) fn command(test: &str, role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role)
        .stdout(Stdio::piped());
    for kind in Kind::ALL {
        command.env_remove(kind.variable());
    }
    command
}

/// Sends a message to the parent, in a line of the output.
pub(crate) fn send(message: &str) {
    println!("\n{PREFIX}{message}");
}

/// Returns the next message of the child, or `None` if the child has ended.
pub(crate) fn receive(child: &mut Child) -> Option<String> {
    let lines = BufReader::new(child.stdout.as_mut()?).lines();
    lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix(PREFIX).map(str::to_owned))
}

const ROLE: &str = "CLOAKROOM_TEST_ROLE";

const PREFIX: &str = "message to the test: ";
