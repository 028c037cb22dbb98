//! The servers that this crate starts answer clients and end with the process that started them.
//! The environment decides whether a test gets such a server, an existing one, or none.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod child;
mod choice;
mod ending;
mod hello;

/// Returns the hosts and ports of a URL.
fn addresses(url: &str) -> Vec<String> {
    let (_, place) = url.split_once("://").unwrap();
    let hosts = place
        .split(['@', '/'])
        .find(|part| part.contains(':'))
        .unwrap();
    hosts.split(',').map(str::to_owned).collect()
}
