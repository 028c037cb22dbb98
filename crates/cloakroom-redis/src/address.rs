use cloakroom::{Error, ErrorKind, Result};
use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::error::invalid_url;
use crate::primary::Target;
use crate::sentinel::Sentinels;

/// The servers that a URL names: a primary, or some nodes of a Cluster.
pub(crate) enum Address {
    Primary(Target),
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    /// Parses a URL. Errors do not quote it: in a malformed URL, any part may be the password.
    pub(crate) fn parse(url: &str) -> Result<Self> {
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

    /// Returns the hosts and ports, for `Debug` output.
    pub(crate) fn servers(&self) -> Vec<String> {
        let nodes = match self {
            Self::Primary(Target::Server(node)) => std::slice::from_ref(&**node),
            Self::Primary(Target::Sentinels(sentinels)) => sentinels.sentinels(),
            Self::Cluster(nodes) => nodes,
        };
        nodes.iter().map(|node| node.addr().to_string()).collect()
    }
}

/// The part of a URL after the scheme, if it names several hosts.
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
        // The last `@`, because a password may contain one that is not percent-encoded.
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
/// and the parameters apply to the primary, except `sentinel_user` and `sentinel_password`.
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
            "it does not end with the name of the primary, which has letters, digits, `.`, `-` and \
             `_` only",
        ));
    }
    let (mut user, mut password) = ("", "");
    // With version 2 of the protocol, the driver needs no right to `HELLO` at the Sentinels.
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
    // The driver requires a host, so use a placeholder: the Sentinels name the real one later.
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
    Ok(Address::Cluster(nodes.collect::<Result<_>>()?))
}

fn node(url: &str) -> Result<ConnectionInfo> {
    let secure = url.starts_with("rediss:") || url.starts_with("valkeys:");
    if secure && cfg!(not(feature = "tls")) {
        return Err(missing_feature("tls"));
    }
    let info = url.into_connection_info().map_err(invalid_url)?;
    // Do not announce the name of the driver: it is of no use to the site, and an access list would
    // have to allow the command.
    let mut redis = info.redis_settings().clone().set_skip_set_lib_name();
    // With version 3 of the protocol, the driver notices a broken connection at once and opens a
    // new one before the next request needs it.
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
    fn a_url_names_one_server() {
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
        let Address::Cluster(nodes) = address else {
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
    fn sentinels_have_their_own_port_and_login() {
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

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_missing_feature_is_named() {
        for url in ["rediss://localhost", "valkeys://localhost"] {
            let Err(error) = Address::parse(url) else {
                panic!("{url} was accepted without the feature `tls`");
            };
            assert!(error.to_string().contains("the feature `tls`"), "{error}");
        }
    }
}
