//! The program as a process: startup, startup errors, and exit.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use common::program::{Running, first_line, program};
use tempfile::{TempDir, tempdir};

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Runs the program and asserts that the program prints one line to stderr and exits with 1.
/// Returns the line.
fn refusal(command: &mut Command) -> String {
    command.env("RUST_LOG", "error");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let message = first_line(&mut child);
    if !message.is_empty() {
        // The program has started and serves pages, so it does not exit until it is killed.
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message, "", "the program has started");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("starting LocalLibrary: "), "{stderr}");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    stderr
}

fn new_folder() -> TempDir {
    tempdir().unwrap()
}

#[test]
fn the_program_creates_its_files_once() {
    let folder = new_folder();
    for _ in 0..2 {
        let running = Running::start(&mut program(folder.path()));
        assert!(running.get("/catalog/").contains("<dd>92</dd>"));
        assert_eq!(running.stop("-TERM"), Some(0));
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["locallibrary.sqlite3", "locallibrary.sqlite3.secret"]
    );
}

#[test]
fn the_visit_counter_survives_a_killed_process() {
    let folder = new_folder();
    let running = Running::start(&mut program(folder.path()));
    let first = running.get("/catalog/");
    assert!(first.contains("1 time."), "{first}");
    let cookie = first
        .split("set-cookie: ")
        .find(|line| line.starts_with("sessionid="))
        .unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let second = running.get_with("/catalog/", cookie);
    assert!(second.contains("2 times."), "{second}");
    running.stop("-KILL");

    let running = Running::start(&mut program(folder.path()));
    let third = running.get_with("/catalog/", cookie);

    assert!(third.contains("3 times."), "{third}");
}

#[test]
fn an_interrupted_program_exits_with_zero() {
    let folder = new_folder();
    assert_eq!(
        Running::start(&mut program(folder.path())).stop("-INT"),
        Some(0)
    );
}

#[test]
fn the_program_serves_pages_once_it_has_printed_its_address() {
    let folder = new_folder();
    let running = Running::start(&mut program(folder.path()));
    assert!(running.get("/catalog/").starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn simultaneous_starts_create_one_database() {
    let folder = new_folder();
    let starts = [(); 4].map(|()| {
        let mut command = program(folder.path());
        std::thread::spawn(move || Running::start(&mut command))
    });
    for running in starts.map(|start| start.join().unwrap()) {
        assert!(running.get("/catalog/").contains("<dd>250</dd>"));
    }
}

#[test]
fn a_port_in_use_is_reported_and_no_file_is_created() {
    let folder = new_folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_locallibrary"));
    let line = refusal(
        command
            .env_clear()
            .current_dir(folder.path())
            .args(["--bind", &bind]),
    );
    assert!(
        line.contains(&format!("listening on {bind}: ")) && line.contains("--bind)"),
        "{line}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_not_a_database_is_reported_and_left_unchanged() {
    let folder = new_folder();
    let file = folder.path().join("locallibrary.sqlite3");
    fs::write(&file, "Dear diary, today I went to the library.").unwrap();
    let line = refusal(&mut program(folder.path()));
    assert!(
        line.contains(
            r#"opening the database "locallibrary.sqlite3": it is not an SQLite database ("#
        ),
        "{line}"
    );
    assert_eq!(
        fs::read(&file).unwrap(),
        b"Dear diary, today I went to the library."
    );
}

#[test]
fn a_damaged_database_is_reported() {
    let folder = new_folder();
    let mut bytes = b"SQLite format 3\0".to_vec();
    bytes.resize(8192, b'x');
    fs::write(folder.path().join("locallibrary.sqlite3"), bytes).unwrap();
    let line = refusal(&mut program(folder.path()));
    assert!(line.contains("opening the database"), "{line}");
}

#[tokio::test]
async fn a_database_of_another_program_is_reported_and_left_unchanged() {
    use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

    let folder = new_folder();
    let file = folder.path().join("locallibrary.sqlite3");
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE recipe (name TEXT)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let before = fs::read(&file).unwrap();

    let line = refusal(&mut program(folder.path()));
    assert!(
        line.contains("it is not a LocalLibrary database: no table auth_user, catalog_author"),
        "{line}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn an_empty_file_becomes_the_database() {
    let folder = new_folder();
    fs::write(folder.path().join("locallibrary.sqlite3"), "").unwrap();
    let running = Running::start(&mut program(folder.path()));
    assert!(running.get("/catalog/").contains("<dd>92</dd>"));
}

#[test]
fn a_missing_folder_and_a_folder_in_place_of_the_file_are_reported() {
    let folder = new_folder();
    let line =
        refusal(program(folder.path()).args(["--database-url", "sqlite://not/here.sqlite3"]));
    assert!(line.contains(r#"there is no folder "not" ("#), "{line}");
    fs::create_dir(folder.path().join("shelf")).unwrap();
    let line = refusal(program(folder.path()).args(["--database-url", "sqlite://shelf"]));
    assert!(line.contains("it is a folder ("), "{line}");
}

#[test]
fn an_unusable_secret_key_is_reported_and_no_secret_key_is_printed() {
    let folder = new_folder();
    let line = refusal(program(folder.path()).args(["--secret-key-file", "nowhere"]));
    assert!(
        line.contains(r#"reading the secret key from "nowhere""#),
        "{line}"
    );
    let line = refusal(program(folder.path()).env("SECRET_KEY", ""));
    assert!(
        line.contains("reading the secret key: it is empty"),
        "{line}"
    );
    let output = run(program(folder.path())
        .env("SECRET_KEY", "top-secret")
        .arg("--help"));
    assert!(
        !String::from_utf8(output.stdout)
            .unwrap()
            .contains("top-secret")
    );
}

#[test]
fn with_invalid_flags_the_program_exits_with_two() {
    let folder = new_folder();
    for flags in [
        ["--bind", "nowhere"],
        ["--colour", "red"],
        ["--database-url", "postgres://x/y"],
        ["--base-url", "library.example"],
        ["--sessions", "clay-tablets"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locallibrary"));
        let output = run(command.env_clear().current_dir(folder.path()).args(flags));
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_value_of_a_refused_setting_is_not_printed_since_it_may_contain_a_password() {
    let folder = new_folder();
    for flags in [
        ["--sessions", "mongodb://ada:s3cret@db.example/library"],
        ["--sessions", "memcached://ada:s3cret@db.example"],
        ["--sessions", "redis://:s3cret@db.example:port"],
        ["--sessions", "postgres://ada:s3cret@127.0.0.1:1/library"],
        ["--database-url", "postgres://ada:s3cret@db.example/library"],
    ] {
        let output = run(program(folder.path()).args(flags));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && !stderr.contains("s3cret"),
            "{stderr}"
        );
        assert!(
            stderr.contains("sessions") || stderr.contains("--database-url"),
            "{stderr}"
        );
    }
}

#[test]
fn help_names_every_setting() {
    let output = run(program(new_folder().path()).arg("--help"));
    let help = String::from_utf8(output.stdout).unwrap();
    for name in [
        "LOCALLIBRARY_BIND",
        "DATABASE_URL",
        "LOCALLIBRARY_SESSIONS",
        "SECRET_KEY",
        "SECRET_KEY_FILE",
        "LOCALLIBRARY_BASE_URL",
        "LOCALLIBRARY_ALLOWED_HOSTS",
        "LOCALLIBRARY_LOG_FORMAT",
        "RUST_LOG",
    ] {
        assert!(help.contains(name), "{name} in {help}");
    }
}
