//! Two processes of the site share their sessions and together count every visit, in session
//! storages that several processes can share.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::{path::Path, sync::Arc, thread};

use cloakroom_harness::servers::{self, Server};
use cloakroom_testkit::unique_name;
use common::program::{Running, program};
use tempfile::tempdir;

#[test]
fn visits_are_counted_in_the_database_file() {
    two_processes_count_every_visit(|_| Some("db".to_owned()));
}

#[test]
fn visits_are_counted_in_djangos_table_in_the_database_file() {
    two_processes_count_every_visit(|_| Some("django+db".to_owned()));
}

#[test]
fn visits_are_counted_in_djangos_cache() {
    two_processes_count_every_visit(|_| {
        on(servers::redis(), "prefix").map(|url| format!("django+{url}"))
    });
}

#[test]
fn visits_are_counted_in_files() {
    two_processes_count_every_visit(|folder| {
        Some(format!("file:{}", folder.join("sessions").display()))
    });
}

#[test]
fn visits_are_counted_in_postgresql() {
    two_processes_count_every_visit(|_| on(servers::postgres(), "table"));
}

#[test]
fn visits_are_counted_in_mariadb() {
    two_processes_count_every_visit(|_| on(servers::mariadb(), "table"));
}

#[test]
fn visits_are_counted_in_redis() {
    two_processes_count_every_visit(|_| on(servers::redis(), "prefix"));
}

#[test]
fn visits_are_counted_in_a_redis_cluster() {
    two_processes_count_every_visit(|_| on(servers::redis_cluster(), "prefix"));
}

#[test]
fn visits_are_counted_in_valkey() {
    two_processes_count_every_visit(|_| on(servers::valkey(), "prefix"));
}

#[test]
fn visits_are_counted_in_memcached() {
    two_processes_count_every_visit(|_| on(servers::memcached(), "prefix"));
}

#[test]
fn visits_are_counted_in_postgresql_with_a_cache_in_each_process() {
    two_processes_count_every_visit(|_| {
        on(servers::postgres(), "table").map(|url| url + "&cache_secs=1")
    });
}

#[test]
fn visits_are_counted_in_postgresql_with_a_redis_cache_that_both_processes_share() {
    two_processes_count_every_visit(|_| {
        let cache = on(servers::redis(), "prefix")?;
        on(servers::postgres(), "table").map(|url| format!("{url}&cache_secs=60&cache={cache}"))
    });
}

/// Returns the server's URL with a unique name for `option`, which is `table` or `prefix`.
fn on(server: Option<&Server>, option: &str) -> Option<String> {
    let server = server?;
    Some(format!("{}?{option}={}", server.url(), unique_name()))
}

fn two_processes_count_every_visit(storage: impl Fn(&Path) -> Option<String>) {
    let folder = tempdir().unwrap();
    // The harness has printed which server is missing.
    let Some(storage) = storage(folder.path()) else {
        return;
    };
    let start = || Running::start(program(folder.path()).args(["--sessions", &storage]));
    let processes = Arc::new([start(), start()]);
    let first = processes[0].get("/catalog/");
    let cookie = first
        .split("set-cookie: ")
        .find(|line| line.starts_with("sessionid="))
        .expect(&first);
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let tabs: Vec<_> = (0..TABS)
        .map(|tab| {
            let (processes, cookie) = (Arc::clone(&processes), cookie.clone());
            thread::spawn(move || {
                for _ in 0..VISITS / TABS {
                    let page = processes[tab % 2].get_with("/catalog/", &cookie);
                    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
                }
            })
        })
        .collect();
    for tab in tabs {
        tab.join().unwrap();
    }

    for process in processes.iter() {
        // Each process counts one more visit: the 202nd and the 203rd. A process may have an
        // outdated number in its cache, but it increments the number in the store.
        let page = process.get_with("/catalog/", &cookie);
        assert!(page.contains("You have visited this page 20"), "{page}");
    }
    let last = processes[0].get_with("/catalog/", &cookie);
    assert!(
        last.contains("You have visited this page 204 times."),
        "{last}"
    );
}

/// The number of visits by all tabs together. One visit comes before these visits, and three visits
/// come after them.
const VISITS: usize = 200;

const TABS: usize = 20;
