use cloakroom::Result;
use cloakroom_tls::{Driver, Encryption, Verification};
use redis::ConnectionInfo;
#[cfg(feature = "cluster")]
use redis::cluster::ClusterClientBuilder;

use crate::error::bad_url;

/// Splits a URL into the URL without its TLS parameters, and the encryption that the URL asks for.
/// The scheme of the returned URL begins with `rediss` or `valkeys` if the connection is to be
/// encrypted, and with `redis` or `valkey` if not.
pub(crate) fn split_off(url: &str) -> Result<(String, Encryption)> {
    if url.contains('#') {
        // With `#insecure` at the end of the URL, the driver would not verify the server.
        return Err(bad_url(
            "it has a `#`; write one in the user or the password as %23",
        ));
    }
    let (url, encryption) = DRIVER.split_off(url)?;
    let (scheme, rest) = url.split_once("://").unwrap_or((&url, ""));
    let (server, suffix) = scheme.split_at(scheme.find('+').unwrap_or(scheme.len()));
    match (encryption, server) {
        (Encryption::Off, "rediss" | "valkeys") => Err(bad_url(
            "its scheme asks for TLS and `sslmode=disable` turns TLS off; write `redis` in the \
             scheme, or leave `sslmode` out",
        )),
        (Encryption::Unset, "rediss" | "valkeys") => {
            let verification = DRIVER.verify_full()?;
            Ok((url, Encryption::On(verification)))
        }
        (Encryption::On(_), _) if suffix == "+unix" => Err(bad_url(
            "a Unix socket is never encrypted; leave `sslmode` and `sslrootcert` out",
        )),
        (encryption @ Encryption::On(_), "redis" | "valkey") => {
            let server = if server == "redis" {
                "rediss"
            } else {
                "valkeys"
            };
            Ok((format!("{server}{suffix}://{rest}"), encryption))
        }
        (encryption, _) => Ok((url, encryption)),
    }
}

/// How to verify servers, in the types of the driver.
pub(crate) struct Tls {
    #[cfg(feature = "tls")]
    certificates: redis::TlsCertificates,
    #[cfg(feature = "tls")]
    checks_name: bool,
}

#[cfg(feature = "tls")]
impl Tls {
    pub(crate) fn new(verification: &Verification) -> Result<Self> {
        cloakroom_tls::install_ring();
        Ok(Self {
            certificates: redis::TlsCertificates {
                client_tls: None,
                root_cert: verification.root_cert_pem()?,
            },
            checks_name: verification.checks_name(),
        })
    }

    /// Returns the same server, with TLS turned on for the connections to it.
    pub(crate) fn node(&self, node: ConnectionInfo) -> Result<ConnectionInfo> {
        let client = redis::Client::build_with_tls(node, self.certificates.clone());
        let node = client
            .map_err(crate::error::invalid_url)?
            .get_connection_info()
            .clone();
        let mut address = node.addr().clone();
        address.set_danger_accept_invalid_hostnames(!self.checks_name);
        Ok(node.set_addr(address))
    }

    /// Sets how to verify all nodes of a Cluster.
    #[cfg(feature = "cluster")]
    pub(crate) fn cluster(&self, builder: ClusterClientBuilder) -> ClusterClientBuilder {
        builder
            .certs(self.certificates.clone())
            .danger_accept_invalid_hostnames(!self.checks_name)
    }
}

#[cfg(not(feature = "tls"))]
impl Tls {
    pub(crate) fn new(verification: &Verification) -> Result<Self> {
        unreachable!("{verification:?} is refused without the feature `tls`")
    }

    pub(crate) fn node(&self, node: ConnectionInfo) -> Result<ConnectionInfo> {
        Ok(node)
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn cluster(&self, builder: ClusterClientBuilder) -> ClusterClientBuilder {
        builder
    }
}

const DRIVER: Driver = Driver {
    doing: "reading the URL of a Redis",
    package: env!("CARGO_PKG_NAME"),
    has_tls: cfg!(feature = "tls"),
};
