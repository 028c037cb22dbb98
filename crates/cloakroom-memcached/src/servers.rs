use std::net::Ipv6Addr;

use cloakroom::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::client::{Key, Server};

/// Parses a URL. Returns the addresses of its servers as `host:port`.
pub(crate) fn addresses(url: &str) -> Result<Vec<String>> {
    let hosts = url
        .strip_prefix(SCHEME)
        .ok_or_else(|| invalid_url("it does not begin with `memcached://`"))?;
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
    if hosts.contains('@') {
        return Err(invalid_url(
            "it contains a user, but memcached's text protocol has no login",
        ));
    }
    if hosts.contains("?ssl") || hosts.contains("&ssl") {
        return Err(invalid_url(
            "it asks for TLS, which this store does not have, or turns TLS off; remove the \
             parameter, and keep the servers in a private network or behind a tunnel",
        ));
    }
    let mut addresses = Vec::new();
    for host in hosts.split(',') {
        let address = address(host).ok_or_else(|| invalid_url("an address is malformed"))?;
        if addresses.contains(&address) {
            return Err(invalid_url("it names a server twice"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// Parses `host` or `host:port`. Returns `host:port`.
fn address(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, DEFAULT_PORT),
    };
    let is_host = match host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !host.is_empty() && host.bytes().all(letters)
        }
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0);
    (is_host && is_port).then(|| format!("{}:{port}", host.to_ascii_lowercase()))
}

/// Returns the server of a key: the one with the highest score (rendezvous hashing).
///
/// The order of the servers makes no difference. A server that is added takes keys from the others,
/// and a server that is removed leaves its keys to the others. No other key moves.
pub(crate) fn of<'a>(servers: &'a [Server], key: &Key) -> &'a Server {
    match servers {
        [only] => only,
        several => several
            .iter()
            .max_by_key(|server| (score(server.address(), key), server.address()))
            .expect("a URL names at least one server"),
    }
}

fn score(address: &str, key: &Key) -> [u8; 32] {
    let hash = Sha256::new().chain_update(address).chain_update([0]);
    hash.chain_update(key.as_str()).finalize().into()
}

/// Returns the error for a malformed URL. Does not quote the URL: it may contain a password.
fn invalid_url(why: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!(
            "opening memcached: the URL cannot be used, because {why}; write \
             `memcached://host:port`, or `memcached://host:port,host:port` for several servers"
        ),
    )
}

const SCHEME: &str = "memcached://";

const DEFAULT_PORT: &str = "11211";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloakroom::StoreKey;

    use super::*;

    #[test]
    fn a_url_names_one_server_or_several() {
        let addresses = |url| addresses(url).unwrap();

        assert_eq!(addresses("memcached://localhost"), ["localhost:11211"]);
        assert_eq!(addresses("memcached://10.0.0.1:1/"), ["10.0.0.1:1"]);
        assert_eq!(
            addresses("memcached://Cache-1.example:1,[::1],[fe80::2]:65535"),
            ["cache-1.example:1", "[::1]:11211", "[fe80::2]:65535"]
        );
    }

    #[test]
    fn a_malformed_url_is_refused_and_not_quoted() {
        let bad = [
            "",
            "memcached:",
            "memcached://",
            "redis://secret",
            "memcached://user:secret@host",
            "memcached://secret:0",
            "memcached://secret:65536",
            "memcached://secret:+1",
            "memcached://secret:",
            "memcached://secret/path",
            "memcached://secret?a=b",
            "memcached://host?sslmode=secret",
            "memcached://secret,",
            "memcached://secret,secret:11211",
            "memcached://[::1",
            "memcached://[secret]:1",
            "memcached://::1",
            "memcached://sec ret",
            "memcached://sec\r\nret",
        ];
        for url in bad {
            let error = addresses(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_url_that_mentions_tls_is_refused_with_the_reason() {
        for parameter in [
            "sslmode=verify-full",
            "sslmode=disable",
            "a=b&sslrootcert=/ca.pem",
        ] {
            let error = addresses(&format!("memcached://host?{parameter}")).unwrap_err();

            let why = "it asks for TLS, which this store does not have";
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn the_order_of_servers_makes_no_difference_and_a_new_server_takes_only_its_share() {
        let two = servers(&["a:1", "b:1"]);
        let reversed = servers(&["b:1", "a:1"]);
        let three = servers(&["c:1", "a:1", "b:1"]);

        let mut counts = BTreeMap::new();
        for n in 0..3_000_u32 {
            let key = Key::new("site", &StoreKey::new(&n.to_be_bytes()));
            let home = of(&two, &key).address();
            assert_eq!(of(&reversed, &key).address(), home);
            let now = of(&three, &key).address();
            assert!(now == home || now == "c:1");
            *counts.entry(now).or_insert(0) += 1;
        }
        assert!(counts.values().all(|count| (900..1_100).contains(count)));
    }

    #[test]
    fn the_server_of_a_key_is_the_same_in_every_release() {
        let servers = servers(&["a:1", "b:1", "c:1"]);
        let home = |n: u8| of(&servers, &Key::new("site", &StoreKey::new(&[n]))).address();

        assert_eq!(
            [1, 2, 3, 4, 5, 6].map(home),
            ["c:1", "c:1", "a:1", "c:1", "b:1", "a:1"]
        );
    }

    fn servers(addresses: &[&str]) -> Vec<Server> {
        let server = |address: &&str| Server::new(address, 1, 1);
        addresses.iter().map(server).collect()
    }
}
