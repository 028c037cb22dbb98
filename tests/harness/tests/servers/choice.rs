use std::collections::HashSet;
use std::process::Child;

use cloakroom_harness::servers;
use cloakroom_testkit::unique_name;

use super::child;

#[test]
fn an_existing_server_is_named_by_the_environment() {
    if child::part().is_some() {
        return tell_url();
    }
    let url = "mysql://somebody:secret@db.example/sessions";

    let told = run(
        "an_existing_server_is_named_by_the_environment",
        &[(VARIABLE, url)],
    );

    assert_eq!(told.answer, url);
}

#[test]
fn an_empty_name_says_to_do_without() {
    if child::part().is_some() {
        return tell_url();
    }
    let environment = [(VARIABLE, ""), ("CLOAKROOM_TEST_REQUIRE_SERVERS", "1")];

    let told = run("an_empty_name_says_to_do_without", &environment);

    assert_eq!(told.answer, "none");
    assert!(
        told.errors
            .contains("not run: CLOAKROOM_TEST_MARIADB_URL is empty\n")
    );
}

#[test]
fn a_server_that_is_not_installed_is_missed_in_one_line() {
    if child::part().is_some() {
        return tell_url();
    }

    let told = run(
        "a_server_that_is_not_installed_is_missed_in_one_line",
        NOTHING_INSTALLED,
    );

    assert_eq!(told.answer, "none");
    assert_eq!(told.errors.matches(MISSED).count(), 1, "{}", told.errors);
}

#[test]
fn a_server_that_is_required_and_not_installed_is_a_failure() {
    if child::part().is_some() {
        return tell_url();
    }
    let mut environment = NOTHING_INSTALLED.to_vec();
    environment.push(("CLOAKROOM_TEST_REQUIRE_SERVERS", "1"));

    let told = run(
        "a_server_that_is_required_and_not_installed_is_a_failure",
        &environment,
    );

    assert_eq!(told.answer, "nothing at all");
    assert!(told.errors.contains(MISSED), "{}", told.errors);
}

#[test]
fn a_process_has_one_server_of_a_kind() {
    let (Some(one), Some(other)) = (servers::memcached(), servers::memcached()) else {
        return;
    };

    assert!(std::ptr::eq(one, other));
}

#[test]
fn a_unique_name_is_a_name_anywhere() {
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
    if child::part().is_some() {
        return child::say(&names().collect::<Vec<_>>().join(" "));
    }
    let mut all: HashSet<String> = names().collect();

    for _ in 0..4 {
        let told = run("a_unique_name_is_unique_among_processes", &[]);
        all.extend(told.answer.split(' ').map(str::to_owned));
    }

    assert_eq!(all.len(), 500);
}

struct Told {
    answer: String,
    errors: String,
}

/// Plays the test in another process, with this environment.
fn run(test: &str, environment: &[(&str, &str)]) -> Told {
    let mut command = child::command(&format!("choice::{test}"), "choice");
    command
        .env_remove("CLOAKROOM_TEST_REQUIRE_SERVERS")
        .envs(environment.iter().copied());
    let mut child: Child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let answer = child::listen(&mut child).unwrap_or_else(|| "nothing at all".to_owned());
    let errors = child.wait_with_output().unwrap().stderr;
    Told {
        answer,
        errors: String::from_utf8(errors).unwrap(),
    }
}

fn tell_url() {
    let first = servers::mariadb();
    let again = servers::mariadb();
    assert_eq!(first.is_some(), again.is_some());
    child::say(first.map_or("none", |server| server.url()));
}

const VARIABLE: &str = "CLOAKROOM_TEST_MARIADB_URL";

/// MariaDB is looked for on the `PATH`.
const NOTHING_INSTALLED: &[(&str, &str)] = &[("PATH", "")];

const MISSED: &str =
    "not run: needs MariaDB (Debian: apt-get install mariadb-server); scripts/test installs it\n";
