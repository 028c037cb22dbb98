//! The choice of the server that a test gets: an existing one, a private one, or none. A test runs
//! itself again in a child process with another environment. The child sends the URL of the server
//! that it gets.

use std::collections::HashSet;
use std::process::Child;

use cloakroom_harness::servers;
use cloakroom_testkit::unique_name;

use super::child;

#[test]
fn an_existing_server_is_taken_from_the_environment() {
    if child::role().is_some() {
        return send_url();
    }
    let url = "mysql://ada:secret@db.example/sessions";

    let output = run(
        "an_existing_server_is_taken_from_the_environment",
        &[(VARIABLE, url)],
    );

    assert_eq!(output.message, url);
}

#[test]
fn an_empty_variable_excludes_a_server_even_if_servers_are_required() {
    if child::role().is_some() {
        return send_url();
    }
    let environment = [(VARIABLE, ""), ("CLOAKROOM_TEST_REQUIRE_SERVERS", "1")];

    let output = run(
        "an_empty_variable_excludes_a_server_even_if_servers_are_required",
        &environment,
    );

    assert_eq!(output.message, "none");
    assert!(
        output
            .errors
            .contains("not run: CLOAKROOM_TEST_MARIADB_URL is empty\n")
    );
}

#[test]
fn a_server_that_is_not_installed_is_reported_in_one_line() {
    if child::role().is_some() {
        return send_url();
    }

    let output = run(
        "a_server_that_is_not_installed_is_reported_in_one_line",
        NOTHING_INSTALLED,
    );

    assert_eq!(output.message, "none");
    assert_eq!(
        output.errors.matches(NOT_INSTALLED).count(),
        1,
        "{}",
        output.errors
    );
}

#[test]
fn a_server_that_is_required_and_not_installed_is_a_failure() {
    if child::role().is_some() {
        return send_url();
    }
    let mut environment = NOTHING_INSTALLED.to_vec();
    environment.push(("CLOAKROOM_TEST_REQUIRE_SERVERS", "1"));

    let output = run(
        "a_server_that_is_required_and_not_installed_is_a_failure",
        &environment,
    );

    assert_eq!(output.message, "no message");
    assert!(output.errors.contains(NOT_INSTALLED), "{}", output.errors);
}

#[test]
fn a_process_has_one_server_of_each_kind() {
    let (Some(one), Some(other)) = (servers::memcached(), servers::memcached()) else {
        return;
    };

    assert!(std::ptr::eq(one, other));
}

#[test]
fn a_unique_name_is_a_valid_identifier() {
    for _ in 0..100 {
        let name = unique_name();

        assert!(name.len() <= 30, "{name}");
        assert!(
            name.starts_with(|first: char| first.is_ascii_lowercase()),
            "{name}"
        );
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(valid), "{name}");
    }
}

#[test]
fn a_unique_name_is_unique_among_processes() {
    let names = || (0..100).map(|_| unique_name());
    if child::role().is_some() {
        return child::send(&names().collect::<Vec<_>>().join(" "));
    }
    let mut all: HashSet<String> = names().collect();

    for _ in 0..4 {
        let output = run("a_unique_name_is_unique_among_processes", &[]);
        all.extend(output.message.split(' ').map(str::to_owned));
    }

    assert_eq!(all.len(), 500);
}

struct Output {
    message: String,
    errors: String,
}

/// Runs the test in a child process with this environment. Returns the child's message and the
/// child's standard error.
fn run(test: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = child::command(&format!("choice::{test}"), "choice");
    command
        .env_remove("CLOAKROOM_TEST_REQUIRE_SERVERS")
        .envs(environment.iter().copied());
    let mut child: Child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let message = child::receive(&mut child).unwrap_or_else(|| "no message".to_owned());
    let errors = child.wait_with_output().unwrap().stderr;
    Output {
        message,
        errors: String::from_utf8(errors).unwrap(),
    }
}

/// Sends the URL of the child's MariaDB, or `none`.
fn send_url() {
    let first = servers::mariadb();
    let again = servers::mariadb();
    assert_eq!(first.is_some(), again.is_some());
    child::send(first.map_or("none", |server| server.url()));
}

const VARIABLE: &str = "CLOAKROOM_TEST_MARIADB_URL";

/// With an empty `PATH`, MariaDB is not found, as if it were not installed.
const NOTHING_INSTALLED: &[(&str, &str)] = &[("PATH", "")];

const NOT_INSTALLED: &str =
    "not run: needs MariaDB (Debian: apt-get install mariadb-server); scripts/test installs it\n";
