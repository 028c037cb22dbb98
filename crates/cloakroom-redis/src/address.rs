use cloakroom::{Error, ErrorKind, Result};
use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::error::invalid_url;

/// The servers that a URL names: one server, or some nodes of a Cluster.
pub(crate) enum Address {
    Node(Box<ConnectionInfo>),
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    /// Parses a URL. Errors do not quote it: in a malformed URL, any part may be the password.
    pub(crate) fn parse(url: &str) -> Result<Self> {
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
        let nodes = match self {
            Self::Node(node) => std::slice::from_ref(&**node),
            Self::Cluster(nodes) => nodes,
        };
        nodes.iter().map(|node| node.addr().to_string()).collect()
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
    Ok(Address::Cluster(nodes.collect::<Result<_>>()?))
}

fn node(url: &str) -> Result<ConnectionInfo> {
    let secure = url.starts_with("rediss:") || url.starts_with("valkeys:");
    if secure && cfg!(not(feature = "tls")) {
        return Err(missing_feature("tls"));
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
