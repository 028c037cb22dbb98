//! Outages of the session server: pages that need a session respond with 503, and the catalogue
//! still works.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use cloakroom_harness::servers::Kind;
use common::program::{Running, program};
use tempfile::tempdir;

#[test]
fn an_outage_of_postgresql() {
    an_outage_gives_a_503_and_the_catalogue_still_works(Kind::Postgres);
}

#[test]
fn an_outage_of_mariadb() {
    an_outage_gives_a_503_and_the_catalogue_still_works(Kind::Mariadb);
}

#[test]
fn an_outage_of_redis() {
    an_outage_gives_a_503_and_the_catalogue_still_works(Kind::Redis);
}

#[test]
fn an_outage_of_a_redis_cluster() {
    an_outage_gives_a_503_and_the_catalogue_still_works(Kind::RedisCluster);
}

#[test]
fn an_outage_of_memcached() {
    an_outage_gives_a_503_and_the_catalogue_still_works(Kind::Memcached);
}

fn an_outage_gives_a_503_and_the_catalogue_still_works(kind: Kind) {
    let Some(server) = kind.start() else {
        return;
    };
    let folder = tempdir().unwrap();
    let running = Running::start(program(folder.path()).args(["--sessions", server.url()]));
    let first = running.get("/catalog/");
    assert!(first.contains("1 time."), "{first}");
    let cookie = first
        .split("set-cookie: ")
        .find(|line| line.starts_with("sessionid="))
        .unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert!(running.get("/health/ready").starts_with("HTTP/1.1 200 "));

    drop(server);
    let ready = running.get("/health/ready");
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    assert!(running.get("/health/live").starts_with("HTTP/1.1 200 "));
    for cookie in [cookie, ""] {
        let page = running.get_with("/catalog/", cookie);
        assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
        assert!(page.contains("\r\nretry-after: 2\r\n"), "{page}");
        assert!(
            !page.contains("set-cookie") && page.contains("One moment, please"),
            "{page}"
        );
    }
    let books = running.get_with("/catalog/books/", cookie);

    assert!(books.starts_with("HTTP/1.1 200 "), "{books}");
    assert_eq!(running.stop("-TERM"), Some(0));
}
