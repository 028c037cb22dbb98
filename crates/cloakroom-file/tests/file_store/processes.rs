//! Tests several processes that use one folder, some of which are killed.
//!
//! Each child process is this test program; an environment variable sets its role.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cloakroom::store::{Outcome, SaveId, Store};
use cloakroom::{ErrorKind, Owner};
use cloakroom_file::FileStore;
use cloakroom_testkit::soak;

use crate::support::{at, draft, files, within_days, written};
use crate::{django, replaced};

#[tokio::test]
async fn two_processes_that_increment_one_counter_lose_no_increment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    // The folder does not exist yet, so creating it is part of the race.
    for counter in [child("count", &path), child("count", &path)] {
        let output = counter.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{stdout}");
    }

    let store = FileStore::open(&path).unwrap();
    let entry = store.load(&at(0)).await.unwrap().unwrap();
    assert_eq!(entry.data, (2 * COUNTS).to_string());
}

#[tokio::test]
async fn acknowledged_writes_survive_when_the_process_is_killed_and_no_file_is_incomplete() {
    for round in soak::rounds(1) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        // Kill the process at another moment in each round.
        let acknowledged = killed_after("fill", &path, 300 - round % 200);

        let store = FileStore::open(&path).unwrap();
        for n in &acknowledged {
            let entry = store.load(&at(*n)).await.unwrap();
            assert_eq!(
                entry.expect("the write was acknowledged").data,
                n.to_string()
            );
        }
        // Some later writes may have taken effect before they were acknowledged.
        for n in 0..2 * acknowledged.len() as u64 {
            let entry = store.load(&at(n)).await.expect("no file is incomplete");
            assert!(entry.is_none_or(|entry| entry.data == n.to_string()));
        }
        assert_eq!(store.sweep(within_days(), 10).await.unwrap(), 0);
        let mut left = files(&path).into_iter();
        assert!(left.all(|file| file.file_name().unwrap() != "new"));
    }
}

#[tokio::test]
async fn a_process_killed_during_a_move_leaves_the_old_session_or_the_new_one() {
    for round in soak::rounds(3) {
        // Kill the process at another moment in each round.
        let moves = 10 + 30 * round % 97;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let acknowledged = killed_after("move", &path, moves);

        let last = *acknowledged.last().unwrap();
        let store = FileStore::open(&path).unwrap();
        let mut usable = Vec::new();
        // The session has the last acknowledged key or the next one.
        for n in 0..=last + 1 {
            usable.extend(store.load(&at(n)).await.unwrap().map(|_| n));
        }
        assert_eq!(usable.len(), 1, "{usable:?}, the last one was {last}");
        assert!(usable[0] >= last, "{usable:?}, the last one was {last}");
        let owned = store
            .owned_by(&Owner::from("ada"), None, usize::MAX)
            .await
            .unwrap()
            .entries;
        assert_eq!(owned.len(), 1);
        assert!(owned[0].key == at(usable[0]));
    }
}

#[test]
fn on_a_full_disk_no_session_is_lost_and_loads_and_logouts_still_work() {
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=512k,mode=700 tmpfs \"$CLOAKROOM_FILE_TEST_FOLDER\"";
    let in_small_disk = |then: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{mount} && {then}")]);
        command.env(ROLE, "full").env(FOLDER, folder.path());
        command
    };
    if !in_small_disk("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: a small disk cannot be mounted here");
        return;
    }

    let mut child = in_small_disk("exec \"$0\" \"$@\"");
    child.arg(env::current_exe().unwrap()).args(AS_CHILD);
    let output = child.output().unwrap();

    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains("the disk was full"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other tests run it as a child process"]
async fn child_process() {
    let (Ok(role), Ok(path)) = (env::var(ROLE), env::var(FOLDER)) else {
        return;
    };
    match &*role {
        "chdir" => return replaced::change_folder_and_write(Path::new(&path)).await,
        "chdir-django" => return django::change_folder_and_write(Path::new(&path)).await,
        _ => {}
    }
    let store = FileStore::open(path).unwrap();
    match &*role {
        "count" => count(store).await,
        "fill" => fill(store).await,
        "full" => fill_small_disk(store).await,
        "write" => write_in_every_way(store).await,
        "move" => move_repeatedly(store).await,
        role => panic!("no such role: {role}"),
    }
}

/// Increments the number in a session `COUNTS` times. Two processes share the session.
async fn count(store: FileStore) {
    let mut counted = 0;
    for _ in 0..MANY_TRIES {
        if counted == COUNTS {
            return;
        }
        let outcome = match store.load(&at(0)).await.unwrap() {
            None => store.create(&at(0), &draft("1")).await,
            Some(entry) => {
                let old: u64 = std::str::from_utf8(&entry.data).unwrap().parse().unwrap();
                let next = draft(&(old + 1).to_string());
                store.save(&at(0), &entry.version, &next).await
            }
        };
        counted += u64::from(outcome.unwrap() != Outcome::Stale);
    }
    panic!("only {counted} increments in {MANY_TRIES} tries");
}

/// Creates sessions, eight at a time, and prints a line for each acknowledged one.
async fn fill(store: FileStore) {
    let tasks = (0..8).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (task..1_000_000).step_by(8) {
                written(store.create(&at(n), &draft(&n.to_string())).await);
                println!("acknowledged {n}.");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Fills a small disk, and then loads, deletes and creates sessions.
async fn fill_small_disk(store: FileStore) {
    let page = "x".repeat(4_000);
    let mut created = Vec::new();
    let error = loop {
        let n = created.len() as u64;
        match store.create(&at(n), &draft(&page)).await {
            Ok(outcome) => created.push(written(Ok(outcome))),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    let larger = draft(&"x".repeat(100_000));
    let error = store.save(&at(0), &created[0], &larger).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");

    for (n, version) in (0..).zip(&created) {
        let entry = store.load(&at(n)).await.unwrap().unwrap();
        assert!(entry.version == *version && entry.data == page);
    }
    for n in 0..10 {
        store.delete(&at(n)).await.unwrap();
    }
    written(store.create(&at(0), &draft(&page)).await);
    println!("the disk was full");
}

/// Moves one session from key to key, and prints a line for each acknowledged move.
async fn move_repeatedly(store: FileStore) {
    let mut adas = draft("");
    adas.meta.owner = Some("ada".into());
    let mut seen = written(store.create(&at(0), &adas).await);
    for n in 0..1_000_000 {
        adas.save_id = SaveId::random().unwrap();
        seen = written(store.rename(&at(n), &seen, &at(n + 1), &adas, None).await);
        println!("acknowledged {}.", n + 1);
    }
}

/// Performs each kind of write once.
async fn write_in_every_way(store: FileStore) {
    let mut adas = draft("");
    adas.meta.owner = Some("ada".into());
    let seen = written(store.create(&at(1), &draft("")).await);
    let seen = written(store.save(&at(1), &seen, &adas).await);
    let seen = written(store.touch(&at(1), &seen, &adas.meta).await);
    adas.save_id = SaveId::random().unwrap();
    written(store.rename(&at(1), &seen, &at(2), &adas, None).await);
}

/// Kills a child after it has acknowledged `enough` writes. Returns the numbers of all the writes
/// that it acknowledged.
fn killed_after(role: &str, path: &Path, enough: usize) -> Vec<u64> {
    let mut child = child(role, path);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    // A complete line ends with a dot; the kill may truncate the last line.
    let number = |line: String| {
        line.strip_prefix("acknowledged ")?
            .strip_suffix('.')?
            .parse()
            .ok()
    };
    let mut acknowledged: Vec<u64> = lines.by_ref().filter_map(number).take(enough).collect();
    child.kill().unwrap();
    acknowledged.extend(lines.filter_map(number));
    child.wait().unwrap();
    assert!(acknowledged.len() >= enough, "{}", acknowledged.len());
    acknowledged
}

/// Runs a child in a new folder until it ends, for a test that changes the state of its process.
pub(crate) fn run_alone(role: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = child(role, folder.path()).wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
}

fn child(role: &str, path: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(AS_CHILD).env(ROLE, role).env(FOLDER, path);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

pub(crate) const ROLE: &str = "CLOAKROOM_FILE_TEST_ROLE";
pub(crate) const FOLDER: &str = "CLOAKROOM_FILE_TEST_FOLDER";
pub(crate) const AS_CHILD: [&str; 4] = [
    "processes::child_process",
    "--exact",
    "--ignored",
    "--nocapture",
];
const COUNTS: u64 = 200;
const MANY_TRIES: u64 = 100_000;
