use cloakroom::{Error, ErrorKind, Result};
use cloakroom_tls::Encryption;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::error::{bad_url, invalid_url};
use crate::tls::{self, Tls};

/// The servers that a URL names: one server, or some nodes of a Cluster.
pub(crate) enum Address {
    Node(Box<ConnectionInfo>),
    /// With how to verify them, if they are encrypted.
    Cluster(Vec<ConnectionInfo>, Option<Tls>),
}

impl Address {
    /// Parses a URL. Errors do not quote it: in a malformed URL, any part may be the password. Logs
    /// a warning if it names a server on another machine and says nothing about encryption.
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
            "redis" | "valkey" | "rediss" | "valkeys" => Ok(Self::Node(node(url)?.into())),
            "redis+unix" | "valkey+unix" => Ok(Self::Node(node(url)?.into())),
            "redis+cluster" | "valkey+cluster" => cluster("redis", rest),
            "rediss+cluster" | "valkeys+cluster" => cluster("rediss", rest),
            _ => Err(unknown_scheme()),
        }
    }

    /// Returns the hosts and ports, for `Debug` output.
    pub(crate) fn servers(&self) -> Vec<String> {
        let nodes = self.nodes().iter();
        nodes.map(|node| node.addr().to_string()).collect()
    }

    fn nodes(&self) -> &[ConnectionInfo] {
        match self {
            Self::Node(node) => std::slice::from_ref(&**node),
            Self::Cluster(nodes, _) => nodes,
        }
    }

    /// Returns the same servers, which are to be verified.
    fn verified(self, tls: Tls) -> Result<Self> {
        Ok(match self {
            Self::Node(node) => Self::Node(tls.node(*node)?.into()),
            Self::Cluster(nodes, _) => Self::Cluster(nodes, Some(tls)),
        })
    }
}

/// Parses `user:password@host:port,host:port/database?protocol=resp2`. Every host gets the same
/// login, database and parameters.
fn cluster(scheme: &str, rest: &str) -> Result<Address> {
    if cfg!(not(feature = "cluster")) {
        return Err(missing_feature("cluster"));
    }
    // The last `@`, because a password may contain one that is not percent-encoded.
    let (login, rest) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
    let (hosts, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let nodes = hosts
        .split(',')
        .map(|host| node(&format!("{scheme}://{login}{host}{tail}")));
    Ok(Address::Cluster(nodes.collect::<Result<_>>()?, None))
}

fn node(url: &str) -> Result<ConnectionInfo> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let is_known = |name: &str| name == "protocol" || ["db", "user", "pass"].contains(&name);
    // The driver would ignore them, for example a misspelled one.
    if !parameters
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .all(|name| name.is_empty() || is_known(name))
    {
        return Err(bad_url(
            "it has an unknown parameter; use `protocol`, `sslmode` and `sslrootcert`",
        ));
    }
    let info = url.into_connection_info().map_err(invalid_url)?;
    let mut redis = info.redis_settings().clone();
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
         `redis+cluster://` or `rediss+cluster://`, or the same with `valkey`",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_server() {
        let address = Address::parse("redis://ada:s3cret@localhost:7000/2").unwrap();

        assert_eq!(address.servers(), ["localhost:7000"]);
        let Address::Node(node) = address else {
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
        ] {
            let Err(error) = Address::parse(bad) else {
                panic!("{bad} was accepted");
            };
            assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn the_scheme_or_the_mode_encrypts() {
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
            "redis+cluster://one,two?sslmode=verify-ca",
        ] {
            assert!(is_encrypted(url), "{url}");
        }
        for url in [
            "redis://one",
            "valkey://one?sslmode=disable",
            "redis+cluster://one,two?sslmode=disable",
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
                "an unknown parameter; use",
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
    fn only_a_server_elsewhere_whose_url_says_nothing_causes_a_warning() {
        let warnings =
            |url| cloakroom_harness::tls::warnings(|| drop(Address::parse(url).unwrap()));
        for url in [
            "redis://db.example",
            "valkey://10.0.0.7",
            "redis+cluster://localhost,db.example",
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
        ] {
            assert_eq!(warnings(url), 0, "{url}");
        }
    }
}
