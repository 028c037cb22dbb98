use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use cloakroom_harness::servers::Kind;

/// The part that this process plays, if a test has started it with [`command`].
pub(crate) fn part() -> Option<String> {
    env::var(PART).ok()
}

/// The same part, where it is the name of a kind of server.
pub(crate) fn kind() -> Option<Kind> {
    let name = part()?;
    Kind::ALL.iter().copied().find(|kind| kind.name() == name)
}

/// A process that runs one test of this binary, the one with this path, with a part to play.
pub(crate) fn command(test: &str, part: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(PART, part)
        .stdout(Stdio::piped());
    for kind in Kind::ALL {
        command.env_remove(kind.variable());
    }
    command
}

/// What a part says to the test, among the lines of the test harness.
pub(crate) fn say(words: &str) {
    println!("\n{SAYS}{words}");
}

/// The next thing that the child says; `None` if it has ended.
pub(crate) fn listen(child: &mut Child) -> Option<String> {
    let said = BufReader::new(child.stdout.as_mut()?).lines();
    said.map_while(Result::ok)
        .find_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
}

const PART: &str = "CLOAKROOM_TEST_PART";

const SAYS: &str = "the child says: ";
