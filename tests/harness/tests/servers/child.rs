//! Lets a test run itself again in a child process. An environment variable gives the child a role,
//! which is a text that tells the child what to do. The child sends messages to its parent by
//! printing them to standard output.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use cloakroom_harness::servers::Kind;

/// Returns the role of this process, or `None` if this process was not started with [`command`].
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Returns the kind of server that this child is to start. The role of such a child is the name of
/// the kind.
pub(crate) fn kind() -> Option<Kind> {
    let name = role()?;
    Kind::ALL.iter().copied().find(|kind| kind.name() == name)
}

/// Returns a command that runs the test at the path `test`, such as `choice::a_unique_name…`, in a
/// child process with this role. The child does not inherit the environment variables that contain
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

/// Sends a message to the parent, as a line of standard output.
pub(crate) fn send(message: &str) {
    // The test harness may have printed the test's name without a line break, so start a new line.
    println!("\n{PREFIX}{message}");
}

/// Waits for the next message of the child. Returns `None` if the child ends without a message.
pub(crate) fn receive(child: &mut Child) -> Option<String> {
    let lines = BufReader::new(child.stdout.as_mut()?).lines();
    lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix(PREFIX).map(str::to_owned))
}

const ROLE: &str = "CLOAKROOM_TEST_ROLE";

const PREFIX: &str = "message to the test: ";
