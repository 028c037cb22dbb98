//! The subcommands of the program.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::{path::Path, process::Output};

use common::program::program;
use tempfile::tempdir;

/// Runs a subcommand with these environment variables. Returns whether the subcommand succeeded,
/// and its output.
fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = program(folder);
    command.env("RUST_LOG", "error").args(arguments);
    let output: Output = command.envs(environment.iter().copied()).output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(words).unwrap())
}

#[test]
fn a_database_is_created_loaded_and_checked() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    assert!(
        !run(folder, &["check"], &[]).0,
        "the check fails without a database"
    );
    for _ in 0..2 {
        assert_eq!(
            run(folder, &["migrate"], &[]),
            (true, "The database has all its tables.\n".to_owned())
        );
    }
    let password = [("LOCALLIBRARY_DEMO_PASSWORD_LIBRARIAN", "Slate-orchard-3")];
    let (is_good, words) = run(folder, &["load-demo"], &password);
    assert!(
        is_good && words.starts_with("The demo catalogue is loaded.\n"),
        "{words}"
    );
    assert_eq!(
        words.lines().count(),
        12,
        "two lines of text and ten generated passwords: {words}"
    );
    // The password of the user `librarian` is not generated, so the user is not listed.
    assert!(
        !words.contains("librarian") && !words.contains("Slate"),
        "{words}"
    );
    let (is_good, words) = run(folder, &["load-demo"], &[]);
    assert!(
        !is_good && words.contains("has books or users already"),
        "{words}"
    );
    let (is_good, words) = run(folder, &["check"], &[]);
    assert!(is_good && words.contains("in order"), "{words}");
}

#[test]
fn a_user_is_created_unless_the_name_or_the_password_is_refused() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let create = |name: &str, password: &str| {
        let arguments = [
            "--password-iterations",
            "1",
            "create-user",
            name,
            "--email",
            "zed@example.org",
            "--superuser",
        ];
        run(
            folder,
            &arguments,
            &[("LOCALLIBRARY_NEW_PASSWORD", password)],
        )
    };
    for (name, password, problem) in [
        ("zed", "12345678", "This password is too common."),
        (
            "zed",
            "zed@example",
            "The password is too similar to the email address.",
        ),
        (
            "a b",
            "Quay-lantern-7",
            "a username has at most 150 characters: letters, digits and @ . + - _",
        ),
    ] {
        let (is_good, words) = create(name, password);
        assert!(!is_good && words.contains(problem), "{words}");
        assert!(!words.contains(password), "{words}");
    }
    assert_eq!(
        create("zed", "Quay-lantern-7"),
        (true, "The user zed can log in now.\n".to_owned())
    );
    let (is_good, words) = create("zed", "Quay-lantern-7");
    assert!(
        !is_good && words.contains("a user called \"zed\" already exists"),
        "{words}"
    );
}
