//! Several processes on one file. The tests run this test program again as a child process. The
//! environment variable that [`ROLE`] names tells the child what to do.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cloakroom::store::{Outcome, Store};
use cloakroom_sqlite::SqliteStore;
use cloakroom_testkit::soak;
use support::{at, draft, folder, other_connection, written};

#[tokio::test]
async fn two_processes_that_increment_one_counter_lose_no_increment() {
    let (_folder, path) = folder();
    // The file does not exist yet, so the processes also race to create it.
    let counters = [child("count", &path), child("count", &path)];
    for counter in counters {
        let output = counter.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }

    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(
        store.load(&at(0)).await.unwrap().unwrap().data,
        (2 * INCREMENTS).to_string()
    );
}

#[tokio::test]
async fn acknowledged_writes_survive_a_killed_process() {
    for round in soak::rounds(1) {
        // By default, there is one round. A soak run has many rounds, and each round kills the
        // process at a different moment.
        kill_after(500 - round % 400).await;
    }
}

/// Kills a process after it has acknowledged `enough` writes, and checks that none of them is lost.
async fn kill_after(enough: usize) {
    let (_folder, path) = folder();
    let mut writer = child("fill", &path);
    let mut lines = BufReader::new(writer.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    // A complete line ends with a dot; the kill may truncate the last line.
    let number = |line: String| {
        line.strip_prefix("acknowledged ")?
            .strip_suffix('.')?
            .parse()
            .ok()
    };
    let mut acknowledged: Vec<u64> = lines.by_ref().filter_map(number).take(enough).collect();
    writer.kill().unwrap();
    acknowledged.extend(lines.filter_map(number));
    writer.wait().unwrap();

    assert!(
        acknowledged.len() >= enough,
        "only {} writes were acknowledged",
        acknowledged.len()
    );
    let store = SqliteStore::open(&path).unwrap();
    for n in acknowledged {
        let entry = store.load(&at(n)).await.unwrap();
        assert_eq!(
            entry.expect("an acknowledged write was lost").data,
            n.to_string()
        );
    }
    let verdict: String = other_connection(&path)
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_refused() {
    use std::fs::{self, OpenOptions, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();

    let mut opener = command("open", &path);
    // Root may write to any file, so run the child as another user.
    if OpenOptions::new().write(true).open(&path).is_ok() {
        opener.uid(UNPRIVILEGED_ID).gid(UNPRIVILEGED_ID);
    }
    let output = match opener.output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => {
            eprintln!("skipped: the test program cannot run as another user here: {error}");
            return;
        }
    };

    assert!(
        output.contains("it is read-only; make the file and its folder writable"),
        "{output}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other tests run it as a child process"]
async fn child_process() {
    let (Ok(role), Ok(path)) = (env::var(ROLE), env::var(FILE)) else {
        return;
    };
    match (&*role, SqliteStore::open(path)) {
        ("open", opened) => println!("{opened:?}"),
        ("count", store) => count(store.unwrap()).await,
        ("fill", store) => fill(store.unwrap()).await,
        (role, _) => panic!("no such role: {role}"),
    }
}

/// Increments the number in a session that two processes share, `INCREMENTS` times.
async fn count(store: SqliteStore) {
    let mut counted = 0;
    for _ in 0..MAX_TRIES {
        if counted == INCREMENTS {
            return;
        }
        let outcome = match store.load(&at(0)).await.unwrap() {
            None => store.create(&at(0), &draft("1")).await,
            Some(entry) => {
                let old: u64 = String::from_utf8(entry.data.to_vec())
                    .unwrap()
                    .parse()
                    .unwrap();
                store
                    .save(&at(0), &entry.version, &draft(&(old + 1).to_string()))
                    .await
            }
        };
        counted += u64::from(outcome.unwrap() != Outcome::Stale);
    }
    panic!("only {counted} increments in {MAX_TRIES} tries");
}

/// Creates sessions, eight at a time, and prints a line for each session whose creation the store
/// has acknowledged.
async fn fill(store: SqliteStore) {
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in (task..1_000_000).step_by(8) {
                    written(store.create(&at(n), &draft(&n.to_string())).await);
                    println!("acknowledged {n}.");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn child(role: &str, path: &Path) -> Child {
    command(role, path).stdout(Stdio::piped()).spawn().unwrap()
}

fn command(role: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child_process", "--exact", "--ignored", "--nocapture"]);
    command.env(ROLE, role).env(FILE, path);
    command
}

const ROLE: &str = "CLOAKROOM_SQLITE_TEST_ROLE";
const FILE: &str = "CLOAKROOM_SQLITE_TEST_FILE";
const INCREMENTS: u64 = 300;
const MAX_TRIES: u64 = 100_000;
/// The id of the user without privileges on Linux, and of its group. On macOS no user has this id,
/// so a process with this id has no privileges there either.
#[cfg(unix)]
const UNPRIVILEGED_ID: u32 = 65_534;
