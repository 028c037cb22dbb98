//! Compares this crate with the vectors: sessions that a real Django wrote. See
//! `../vectors/README.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod vectors;

mod cache;
mod cookie;
mod expiry;
#[cfg(unix)]
mod files;
mod json;
#[cfg(unix)]
mod middleware;
#[cfg(unix)]
mod odd_input;
mod promises;
mod rows;
mod signing;

/// The sections of the vectors whose cases run in this program.
const HERE: &[&str] = &[
    "base62",
    "cache_keys",
    "cookie_parse",
    "decode",
    "encode",
    "expiry",
    "file_load",
    "file_store",
    "json_encode",
    "key_derivation",
    "memcached",
    "middleware",
    "pickle_decode",
    "redis",
    "session_key",
    "sqlite_expire_date",
    "sqlite_row",
];

/// The sections about Django's logins. The tests in `../auth_vectors/` run them.
const ELSEWHERE: &[&str] = &[
    "auth_get_user",
    "auth_hash",
    "auth_login",
    "csrf",
    "messages",
    "password",
];

/// Runs `work` to completion on a new runtime.
fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}

#[test]
fn every_section_is_run() {
    let mut known = [HERE, ELSEWHERE].concat();
    known.sort_unstable();

    assert_eq!(vectors::sections(), known);
}
