use std::fmt;

use cloakroom::{Error, ErrorKind, Result};
use cloakroom_tls::{Driver, Encryption, Verification};
use mysql_async::{Opts, OptsBuilder};

/// The server, the database and the credentials in a URL.
///
/// Errors never quote a URL that cannot be parsed, because any part of the URL may belong to the
/// password.
pub(crate) struct Address {
    login: Opts,
    /// The host and port, or the path of the socket.
    place: String,
    database: String,
}

impl Address {
    /// Parses a URL. Logs a warning if the URL names a server on another machine and neither
    /// requires nor disables encryption.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let (url, encryption) = DRIVER.split_off(url)?;
        let url = url.as_str();
        let (base, options) = url.split_once('?').unwrap_or((url, ""));
        let Some(database) = database(base) else {
            return Err(unreadable());
        };
        let login = Opts::from_url(base).map_err(|_| unreadable())?;
        let (host, port) = (login.ip_or_hostname().to_owned(), login.tcp_port());
        let mut address = Self {
            place: format!("{host}:{port}"),
            database: database.to_owned(),
            login,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').ok_or_else(unknown_option)?;
            address.set(name, value)?;
        }
        let hosts = match address.login.socket() {
            Some(_) => None,
            None => Some(host.as_str()),
        };
        encryption.warn_if_plain(&address.place, hosts);
        if let Encryption::On(verification) = &encryption {
            address.encrypt(verification)?;
        }
        Ok(address)
    }

    /// Returns the driver's options for the server, the database and the credentials.
    pub(crate) fn login(&self) -> OptsBuilder {
        OptsBuilder::from_opts(self.login.clone())
    }

    /// Applies one parameter of the URL.
    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match (name, value) {
            ("socket", path) if !path.is_empty() => {
                self.login = self.login().socket(Some(path)).into();
                path.clone_into(&mut self.place);
            }
            _ => return Err(unknown_option()),
        }
        Ok(())
    }

    #[cfg_attr(
        not(feature = "tls"),
        allow(
            clippy::needless_pass_by_ref_mut,
            reason = "with the feature `tls`, this method changes `self`"
        )
    )]
    fn encrypt(&mut self, verification: &Verification) -> Result<()> {
        if self.login.socket().is_some() {
            return Err(Error::new(
                ErrorKind::Config,
                "connecting to MySQL: the URL asks for TLS, but a Unix socket is never encrypted; \
                 leave `sslmode` and `sslrootcert` out",
            ));
        }
        #[cfg(not(feature = "tls"))]
        unreachable!("{verification:?} is refused without the feature `tls`");
        #[cfg(feature = "tls")]
        {
            let tls = crate::tls::options(verification, self.login.ip_or_hostname())?;
            self.login = self.login().ssl_opts(tls).into();
            Ok(())
        }
    }
}

/// Shows the host and port, or the path of the socket.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.place, self.database)
    }
}

/// Returns the name of the database in the URL's path, or `None` if the URL has no host or no
/// database. Also returns `None` if the name contains `/` or `@`, or the URL contains `#`: such a
/// character probably belongs to a password that is not percent-encoded.
fn database(base: &str) -> Option<&str> {
    let (authority, database) = base.strip_prefix("mysql://")?.split_once('/')?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let is_valid = !host.is_empty()
        && !database.is_empty()
        && !base.contains('#')
        && !database.contains(['/', '@']);
    is_valid.then_some(database)
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::Config,
        "connecting to MySQL: the URL is not `mysql://USER:PASSWORD@HOST:PORT/DATABASE`; write \
         `@ : / ? # %` in user and password as %40 %3A %2F %3F %23 %25",
    )
}

fn unknown_option() -> Error {
    Error::new(
        ErrorKind::Config,
        "connecting to MySQL: the URL has an unknown parameter; the known ones are `socket=PATH`, \
         `sslrootcert=PATH` and `sslmode`, which is `disable`, `verify-ca` or `verify-full`",
    )
}

const DRIVER: Driver = Driver {
    doing: "connecting to MySQL",
    package: env!("CARGO_PKG_NAME"),
    has_tls: cfg!(feature = "tls"),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_server_the_database_and_the_credentials() {
        let address = Address::parse("mysql://ada:p%40ss%2F@[::1]:3307/library").unwrap();

        let login: Opts = address.login().into();
        assert_eq!((login.user(), login.pass()), (Some("ada"), Some("p@ss/")));
        assert_eq!(
            (login.tcp_port(), login.db_name()),
            (3_307, Some("library"))
        );
        let address =
            Address::parse("mysql://ada@db.example/library?socket=/run/mysqld.sock").unwrap();
        let login: Opts = address.login().into();
        assert_eq!(
            (login.socket(), login.tcp_port()),
            (Some("/run/mysqld.sock"), 3_306)
        );
        assert_eq!(address.to_string(), "/run/mysqld.sock");
    }

    #[test]
    fn errors_do_not_quote_a_url_that_cannot_be_parsed() {
        let bad = [
            "",
            "s3cret",
            "mysql://",
            "mysql://s3cret",
            "mysql://ada:s3cret@host",
            "mysql://ada:s3cret@host/",
            "mysql://ada:s3cret@/db",
            "mysql://ada:1/s3cret@host/db",
            "mysql://ada:1#s3cret@host/db",
            "mysql://ada:1?s3cret@host/db",
            "mysql://ada:x/s3cret@host/db",
            "postgres://ada:s3cret@host/db",
            "mysql://ada:s3cret@host:port/db",
            "mysql://ada@host/db?s3cret=1",
            "mysql://ada@host/db?ssl-mode=s3cret",
            "mysql://ada@host/db?ssl-mode=VERIFY_IDENTITY",
            "mysql://ada@host/db?ssl-ca=/s3cret",
            "mysql://ada@host/db?sslmode=s3cret",
            "mysql://ada@host/db?sslmode=prefer",
            "mysql://ada@host/db?socket=/s3cret&sslmode=verify-full",
            "mysql://ada@host/db?socket=",
        ];
        for url in bad {
            let error = Address::parse(url).unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(
                !format!("{error:?} {error:#}").contains("s3cret"),
                "{url}: {error:?}"
            );
            assert!(
                error
                    .to_string()
                    .starts_with("connecting to MySQL: the URL "),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let address = Address::parse("mysql://ada:s3cret@host/db").unwrap();

        assert_eq!(format!("{address:?} {address}"), "host:3306/db host:3306");
    }

    #[test]
    fn every_encrypted_connection_verifies_the_server() {
        let tls = |host: &str, options: &str| {
            let address = Address::parse(&format!("mysql://ada@{host}/db{options}")).unwrap();
            Opts::from(address.login()).ssl_opts().cloned()
        };

        assert!(tls("host", "").is_none());
        assert!(tls("host", "?sslmode=disable").is_none());
        for (mode, checks_name) in [
            ("require", true),
            ("verify-full", true),
            ("verify-ca", false),
        ] {
            let tls = tls("[::1]", &format!("?sslmode={mode}")).unwrap();
            assert!(tls.disable_built_in_roots() && !tls.root_certs().is_empty());
            assert!(!tls.accept_invalid_certs());
            assert_eq!(tls.skip_domain_validation(), !checks_name, "{mode}");
            assert_eq!(tls.tls_hostname_override(), Some("::1"), "{mode}");
        }
    }

    #[test]
    fn a_warning_is_logged_only_for_a_remote_server_without_an_explicit_sslmode() {
        let warnings =
            |url| cloakroom_harness::tls::warnings(|| drop(Address::parse(url).unwrap()));
        for url in ["mysql://ada@db.example/db", "mysql://ada@10.0.0.7/db"] {
            assert_eq!(warnings(url), 1, "{url}");
        }
        for url in [
            "mysql://ada@localhost/db",
            "mysql://ada@[::1]/db",
            "mysql://ada@db.example/db?socket=/run/mysqld.sock",
            "mysql://ada@db.example/db?sslmode=disable",
            "mysql://ada@db.example/db?sslmode=verify-full",
        ] {
            assert_eq!(warnings(url), 0, "{url}");
        }
    }
}
