use std::net::IpAddr;
use std::path::PathBuf;

use crate::Driver;

/// The encryption that a URL requests with its parameters.
#[derive(Clone, Debug)]
pub enum Encryption {
    /// The URL has no parameter for TLS. The connection is encrypted only if the scheme requires
    /// it, as `rediss` does.
    Unset,
    /// The URL turns encryption off.
    Off,
    /// The connection is encrypted, and the server is verified.
    On(Verification),
}

impl Encryption {
    /// Logs one warning if the URL has no parameter for TLS and one of `hosts` is not this machine.
    /// `place` is the name of the server in the warning, and must contain no password.
    ///
    /// A driver calls this method once for each store.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_tls::Encryption;
    ///
    /// let hosts = ["db.example"];
    /// Encryption::Unset.warn_if_plain("db.example:5432/shop", hosts); // logs a warning
    /// Encryption::Off.warn_if_plain("db.example:5432/shop", hosts); // logs nothing
    /// assert!(!cloakroom_tls::is_local("db.example"));
    /// ```
    pub fn warn_if_plain<'a>(&self, place: &str, hosts: impl IntoIterator<Item = &'a str>) {
        let is_unset = matches!(self, Self::Unset);
        if is_unset && !hosts.into_iter().all(is_local) {
            tracing::warn!(
                server = place,
                "the connections to this server are not encrypted; add `sslmode=verify-full` to \
                 the URL, or `sslmode=disable` if the network can be trusted"
            );
        }
    }
}

/// How to verify the server.
///
/// With the feature `rustls`, the methods of this type load the trusted authorities and create a
/// configuration of rustls.
#[derive(Clone, Debug)]
pub struct Verification {
    #[cfg_attr(
        not(feature = "rustls"),
        allow(dead_code, reason = "nothing is verified")
    )]
    pub(crate) driver: Driver,
    /// Whether the certificate must be for the host name in the URL.
    pub(crate) checks_name: bool,
    /// The file with the authorities to trust, or `None` to trust the authorities of the machine.
    #[cfg_attr(
        not(feature = "rustls"),
        allow(dead_code, reason = "nothing is verified")
    )]
    pub(crate) root_cert: Option<PathBuf>,
}

impl Verification {
    /// Returns whether the certificate must be for the host name in the URL: `true` for
    /// `verify-full`, and `false` for `verify-ca`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_tls::{Driver, Encryption};
    ///
    /// let driver = Driver { doing: "testing", package: "cloakroom-redis", has_tls: true };
    /// let (_, encryption) = driver.split_off("redis://db.example?sslmode=verify-ca")?;
    /// let Encryption::On(verification) = encryption else { panic!("it is not encrypted") };
    /// assert!(!verification.checks_name());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn checks_name(&self) -> bool {
        self.checks_name
    }
}

/// Returns whether `host`, a name or an IP address, always refers to this machine.
///
/// # Examples
/// ```
/// use cloakroom_tls::is_local;
///
/// assert!(is_local("localhost") && is_local("127.0.0.1") && is_local("[::1]"));
/// assert!(!is_local("db.example") && !is_local("10.0.0.7"));
/// ```
pub fn is_local(host: &str) -> bool {
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cloakroom_testkit::Log;

    use super::*;

    #[test]
    fn one_warning_is_logged_for_a_remote_server_whose_url_has_no_parameter_for_tls() {
        let warnings = |encryption: Encryption, hosts: &[&str]| {
            let log = Log::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_writer(move || writer.clone())
                .finish();
            tracing::dispatcher::with_default(&Arc::new(subscriber).into(), || {
                encryption.warn_if_plain("the server", hosts.iter().copied());
            });
            log.text().matches("not encrypted").count()
        };
        let elsewhere: [&[&str]; 4] = [
            &["db.example"],
            &["10.0.0.7"],
            &["localhost", "db.example", "2.example"],
            &["localhost.example"],
        ];
        for hosts in elsewhere {
            assert_eq!(warnings(Encryption::Unset, hosts), 1, "{hosts:?}");
            assert_eq!(warnings(Encryption::Off, hosts), 0, "{hosts:?}");
        }
        let here: [&[&str]; 5] = [
            &[],
            &["localhost", "LOCALHOST"],
            &["127.0.0.1", "127.8.9.1"],
            &["::1", "[::1]"],
            &["::ffff:127.0.0.1"],
        ];
        for hosts in here {
            assert_eq!(warnings(Encryption::Unset, hosts), 0, "{hosts:?}");
        }
    }
}
