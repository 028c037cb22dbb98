use cloakroom::{Error, ErrorKind, Result};
use cloakroom_tls::Encryption;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::error::{bad_url, invalid_url};
use crate::primary::Target;
use crate::sentinel::Sentinels;
use crate::tls::{self, Tls};

/// The servers that a URL names: a primary, or some nodes of a Cluster.
pub(crate) enum Address {
    Primary(Target),
    /// The nodes, and how to verify them if the connections are encrypted.
    Cluster(Vec<ConnectionInfo>, Option<Tls>),
}

impl Address {
    /// Parses a URL. Errors do not quote the URL: any part of a malformed URL may be the password.
    /// Logs a warning if the URL names a server on another machine and has no setting for TLS.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let (url, encryption) = tls::split_off(url)?;
        let address = Self::of_servers(&url)?;
        let hosts = address.nodes().iter().filter_map(|node| match node.addr() {
            ConnectionAddr::Tcp(host, _) => Some(host.as_str()),
            _ => None,
        });
        encryption.warn_if_plain(&address.servers().join(","), hosts);
        match &encryption {
            Encryption::On(verification) => address.verified(Tls::new(verification)?),
            Encryption::Off | Encryption::Unset => Ok(address),
        }
    }

    fn of_servers(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(unknown_scheme());
        };
        match scheme {
            "redis" | "valkey" | "rediss" | "valkeys" | "redis+unix" | "valkey+unix" => {
                Ok(Self::Primary(Target::Server(node(url)?.into())))
            }
            "redis+sentinel" | "valkey+sentinel" => sentinels("redis", rest),
            "rediss+sentinel" | "valkeys+sentinel" => sentinels("rediss", rest),
            "redis+cluster" | "valkey+cluster" => cluster("redis", rest),
            "rediss+cluster" | "valkeys+cluster" => cluster("rediss", rest),
            _ => Err(unknown_scheme()),
        }
    }

    /// Returns the hosts and ports, for `Debug` output and the log.
    pub(crate) fn servers(&self) -> Vec<String> {
        let nodes = self.nodes().iter();
        nodes.map(|node| node.addr().to_string()).collect()
    }

    /// Returns the servers that the URL names: one server, the Sentinels, or nodes of a Cluster.
    fn nodes(&self) -> &[ConnectionInfo] {
        match self {
            Self::Primary(Target::Server(node)) => std::slice::from_ref(&**node),
            Self::Primary(Target::Sentinels(sentinels)) => sentinels.sentinels(),
            Self::Cluster(nodes, _) => nodes,
        }
    }

    /// Returns the same servers, with TLS turned on for the connections to them.
    fn verified(self, tls: Tls) -> Result<Self> {
        Ok(match self {
            Self::Primary(Target::Server(node)) => {
                Self::Primary(Target::Server(tls.node(*node)?.into()))
            }
            Self::Primary(Target::Sentinels(sentinels)) => {
                Self::Primary(Target::Sentinels(sentinels.verified(&tls)?.into()))
            }
            Self::Cluster(nodes, _) => Self::Cluster(nodes, Some(tls)),
        })
    }
}

/// The parts after the scheme of a URL for Sentinels or a Cluster. Such a URL may name several
/// hosts.
struct Hosts<'a> {
    /// The user and the password, with the `@`, or an empty string.
    login: &'a str,
    hosts: std::str::Split<'a, char>,
    /// The path, with its `/`, or an empty string.
    path: &'a str,
    /// The parameters, with their `?`, or an empty string.
    query: &'a str,
}

impl<'a> Hosts<'a> {
    fn of(rest: &'a str) -> Self {
        // Split at the last `@`: a password may contain an `@` that is not percent-encoded.
        let (login, rest) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
        let (hosts, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (path, query) = tail.split_at(tail.find(['?', '#']).unwrap_or(tail.len()));
        Self {
            login,
            hosts: hosts.split(','),
            path,
            query,
        }
    }
}

/// Parses `user:password@host:port,host:port/name/database?protocol=resp2`. The login, the database
/// and the protocol are those of the primary. The parameters `sentinel_user` and
/// `sentinel_password` are the login for the Sentinels.
fn sentinels(scheme: &str, rest: &str) -> Result<Address> {
    let Hosts {
        login,
        hosts,
        path,
        query,
    } = Hosts::of(rest);
    let path = path.strip_prefix('/').unwrap_or(path);
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() || !name.bytes().all(is_in_names) {
        return Err(sentinel_url(
            "the name of the primary at the end of the URL is missing or has characters other than \
             letters, digits, `.`, `-` and `_`",
        ));
    }
    let (mut user, mut password) = ("", "");
    // With version 2 of the protocol, the driver does not send `HELLO`, so an access list of the
    // Sentinels does not have to allow that command.
    let mut of_sentinels = vec!["protocol=resp2"];
    let mut of_primary = Vec::new();
    for parameter in query.trim_start_matches('?').split('&') {
        match parameter.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            Some(("protocol", _)) => of_primary.push(parameter),
            _ => {
                of_sentinels.push(parameter);
                of_primary.push(parameter);
            }
        }
    }
    let sentinel_login = match (user, password) {
        ("", "") => String::new(),
        _ => format!("{user}:{password}@"),
    };
    let parameters = of_sentinels.join("&");
    let sentinels = hosts.map(|host| {
        let port = if has_port(host) { "" } else { SENTINEL_PORT };
        node(&format!(
            "{scheme}://{sentinel_login}{host}{port}/?{parameters}"
        ))
    });
    let sentinels = sentinels.collect::<Result<Vec<_>>>()?;
    // The driver requires a host, so use a placeholder: the Sentinels name the real host later.
    let parameters = of_primary.join("&");
    let primary = node(&format!(
        "{scheme}://{login}sentinel/{database}?{parameters}"
    ))?;
    let sentinels = Sentinels::new(sentinels, name.to_owned(), primary);
    Ok(Address::Primary(Target::Sentinels(sentinels.into())))
}

fn has_port(host: &str) -> bool {
    let port = host.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.ends_with(']'))
}

/// Returns whether the Sentinels accept this character in the name of a primary.
fn is_in_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

/// Parses `user:password@host:port,host:port/database?protocol=resp2`. Every host gets the same
/// login, database and parameters.
fn cluster(scheme: &str, rest: &str) -> Result<Address> {
    if cfg!(not(feature = "cluster")) {
        return Err(missing_feature("cluster"));
    }
    let Hosts {
        login,
        hosts,
        path,
        query,
    } = Hosts::of(rest);
    let nodes = hosts.map(|host| node(&format!("{scheme}://{login}{host}{path}{query}")));
    Ok(Address::Cluster(nodes.collect::<Result<_>>()?, None))
}

fn node(url: &str) -> Result<ConnectionInfo> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let is_known = |name: &str| name == "protocol" || ["db", "user", "pass"].contains(&name);
    // The driver ignores unknown parameters, so a misspelled parameter would have no effect.
    if !parameters
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .all(|name| name.is_empty() || is_known(name))
    {
        return Err(bad_url(
            "it has an unknown parameter; the known ones are `protocol`, `sslmode` and \
             `sslrootcert`, with Sentinels also `sentinel_user` and `sentinel_password`, with a \
             Unix socket also `db`, `user` and `pass`",
        ));
    }
    let info = url.into_connection_info().map_err(invalid_url)?;
    // By default, the driver sends `CLIENT SETINFO` with the name of the driver. The store does not
    // need that command, and an access list of the server would have to allow it.
    let mut redis = info.redis_settings().clone().set_skip_set_lib_name();
    // With version 3 of the protocol, the driver reports a broken connection at once, and the store
    // opens a new one before the next request needs it.
    if !url.contains("protocol=") {
        redis = redis.set_protocol(ProtocolVersion::RESP3);
    }
    Ok(info.set_redis_settings(redis))
}

fn unknown_scheme() -> Error {
    Error::new(
        ErrorKind::Config,
        "reading the URL of a Redis: it must begin with `redis://`, `rediss://`, `redis+unix://`, \
         `redis+sentinel://`, `rediss+sentinel://`, `redis+cluster://` or `rediss+cluster://`, or \
         the same with `valkey`",
    )
}

fn sentinel_url(why: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!(
            "reading the URL of a Redis: {why}; write \
             `redis+sentinel://user:password@host:port,host:port/name`"
        ),
    )
}

fn missing_feature(feature: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!(
            "reading the URL of a Redis: it needs the feature `{feature}` of cloakroom-redis; \
             turn it on"
        ),
    )
}

/// The default port of a Sentinel, with the `:` that precedes it.
const SENTINEL_PORT: &str = ":26379";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_one_server_has_a_host_a_login_and_a_database() {
        let address = Address::parse("redis://ada:s3cret@localhost:7000/2").unwrap();

        assert_eq!(address.servers(), ["localhost:7000"]);
        let Address::Primary(Target::Server(node)) = address else {
            panic!("the URL was parsed as a Cluster");
        };
        let redis = node.redis_settings();
        assert_eq!(
            (redis.username(), redis.password(), redis.db()),
            (Some("ada"), Some("s3cret"), 2)
        );
    }

    #[test]
    fn the_default_port_is_6379() {
        let address = Address::parse("valkey://localhost").unwrap();

        assert_eq!(address.servers(), ["localhost:6379"]);
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn the_nodes_of_a_cluster_share_login_and_parameters() {
        let url = "redis+cluster://ada:s3,cr@t@one:7000,two,[::1]:7002/?protocol=resp2";

        let address = Address::parse(url).unwrap();

        assert_eq!(address.servers(), ["one:7000", "two:6379", "::1:7002"]);
        let Address::Cluster(nodes, _) = address else {
            panic!("the URL was parsed as one server");
        };
        for node in nodes {
            let redis = node.redis_settings();
            assert_eq!(
                (redis.username(), redis.password(), redis.protocol()),
                (Some("ada"), Some("s3,cr@t"), ProtocolVersion::RESP2)
            );
        }
    }

    #[test]
    fn sentinels_have_their_own_default_port_and_login() {
        let url = "redis+sentinel://ada:s3cret@one:7000,two,[::1]/cloak-room.1/3\
                   ?sentinel_password=0ther&protocol=resp2";

        let address = Address::parse(url).unwrap();

        assert_eq!(address.servers(), ["one:7000", "two:26379", "::1:26379"]);
        let Address::Primary(Target::Sentinels(sentinels)) = address else {
            panic!("the URL was parsed as another kind");
        };
        assert_eq!(sentinels.protocol(), ProtocolVersion::RESP2);
        for sentinel in sentinels.sentinels() {
            let redis = sentinel.redis_settings();
            assert_eq!(
                (redis.username(), redis.password(), redis.db()),
                (None, Some("0ther"), 0)
            );
        }
    }

    #[test]
    fn a_malformed_url_is_refused_and_not_quoted() {
        for bad in [
            "",
            "s3cret",
            "s3cret://localhost",
            "redis://:s3cret@",
            "redis://:s3cret@localhost:s3cret",
            "redis://:s3cret@localhost/s3cret",
            "redis+cluster://:s3cret@one,:s3cret",
            "redis+cluster://",
            "redis+sentinel://",
            "redis+sentinel://:s3cret@one,two",
            "redis+sentinel://:s3cret@one,two/",
            "redis+sentinel://:s3cret@/name",
            "redis+sentinel://:s3cret@one,/name",
            "redis+sentinel://one/s3 cret",
            "redis+sentinel://one/name/s3cret",
            "redis+sentinel://one:s3cret/name",
        ] {
            let Err(error) = Address::parse(bad) else {
                panic!("{bad} was accepted");
            };
            assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn a_scheme_with_tls_or_an_sslmode_encrypts_the_connection() {
        let is_encrypted = |url: &str| {
            let address = Address::parse(url).unwrap();
            let is_encrypted = |node: &ConnectionInfo| {
                matches!(
                    node.addr(),
                    ConnectionAddr::TcpTls {
                        insecure: false,
                        ..
                    }
                )
            };
            address.nodes().iter().all(is_encrypted)
        };
        for url in [
            "rediss://one",
            "valkeys://one?sslmode=verify-full",
            "redis://one?sslmode=verify-ca",
            "valkey://one?sslmode=require",
            "rediss+cluster://one,two",
            "rediss+sentinel://one,two/name",
            "valkey+sentinel://one,two/name?sslmode=verify-ca&sentinel_password=0ther",
            "redis+cluster://one,two?sslmode=verify-ca",
        ] {
            assert!(is_encrypted(url), "{url}");
        }
        for url in [
            "redis://one",
            "valkey://one?sslmode=disable",
            "redis+cluster://one,two?sslmode=disable",
            "redis+sentinel://one,two/name?sslmode=disable",
            "redis+unix:///run/redis.sock?db=1",
        ] {
            assert!(!is_encrypted(url), "{url}");
        }
    }

    #[test]
    fn a_url_that_contradicts_itself_about_tls_is_refused() {
        for (url, why) in [
            ("rediss://h?sslmode=disable", "its scheme asks for TLS and"),
            ("rediss://h?sslmode=prefer", "the URL has `sslmode=prefer`"),
            (
                "redis+unix:///s?sslmode=require",
                "a Unix socket is never encrypted",
            ),
            ("rediss://:s3cret@h/#insecure", "it has a `#`"),
            (
                "redis://:s3cret@h?sslmod=verify-full",
                "an unknown parameter for TLS",
            ),
            (
                "redis://:s3cret@h?require_ssl=s3cret",
                "an unknown parameter; the known ones",
            ),
        ] {
            let Err(error) = Address::parse(url) else {
                panic!("{url} was accepted");
            };
            assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn a_url_without_a_tls_setting_causes_a_warning_if_it_names_another_machine() {
        let warnings =
            |url| cloakroom_harness::tls::warnings(|| drop(Address::parse(url).unwrap()));
        for url in [
            "redis://db.example",
            "valkey://10.0.0.7",
            "redis+cluster://localhost,db.example",
            "redis+sentinel://localhost,db.example/name",
        ] {
            assert_eq!(warnings(url), 1, "{url}");
        }
        for url in [
            "redis://localhost",
            "redis://[::1]",
            "redis+unix:///run/redis.sock",
            "redis://db.example?sslmode=disable",
            "redis://db.example?sslmode=verify-full",
            "rediss://db.example",
            "redis+sentinel://localhost/name",
            "rediss+sentinel://db.example/name",
        ] {
            assert_eq!(warnings(url), 0, "{url}");
        }
    }
}
