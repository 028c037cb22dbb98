use std::fmt;
#[cfg(feature = "tls")]
use std::path::PathBuf;

use cloakroom::{Error, ErrorKind, Result};
use mysql_async::{Opts, OptsBuilder};

/// The server, the database and the credentials in a URL.
///
/// Errors never quote a URL that cannot be parsed, because any part of the URL may belong to the
/// password.
pub(crate) struct Address {
    login: Opts,
    /// Host and port, or the path of the socket.
    place: String,
    database: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self> {
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
        Ok(address)
    }

    /// Returns the driver's options for the server, the database and the credentials.
    pub(crate) fn login(&self) -> OptsBuilder {
        OptsBuilder::from_opts(self.login.clone())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match (name, value) {
            ("socket", path) if !path.is_empty() => {
                self.login = self.login().socket(Some(path)).into();
                path.clone_into(&mut self.place);
            }
            ("ssl-mode", "DISABLED") => self.login = self.login().ssl_opts(None).into(),
            ("ssl-mode", "VERIFY_IDENTITY") => self.encrypt(|tls| tls)?,
            #[cfg(feature = "tls")]
            ("ssl-ca", path) if !path.is_empty() => {
                let authority = PathBuf::from(path).into();
                self.encrypt(|tls| {
                    tls.with_root_certs(vec![authority])
                        .with_disable_built_in_roots(true)
                })?;
            }
            #[cfg(not(feature = "tls"))]
            ("ssl-ca", _) => self.encrypt(|tls| tls)?,
            _ => return Err(unknown_option()),
        }
        Ok(())
    }

    #[cfg(feature = "tls")]
    fn encrypt(
        &mut self,
        how: impl FnOnce(mysql_async::SslOpts) -> mysql_async::SslOpts,
    ) -> Result<()> {
        let tls = self.login.ssl_opts().cloned().unwrap_or_default();
        self.login = self.login().ssl_opts(how(tls)).into();
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    #[expect(
        clippy::needless_pass_by_ref_mut,
        clippy::unused_self,
        reason = "the signature is the same with the feature"
    )]
    fn encrypt(
        &mut self,
        _: impl FnOnce(mysql_async::SslOpts) -> mysql_async::SslOpts,
    ) -> Result<()> {
        Err(Error::new(
            ErrorKind::Config,
            "connecting to MySQL: the URL asks for TLS, but this build does not support it; \
             turn on the feature `tls` of cloakroom-mysql",
        ))
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

/// Returns the name of the database in the URL's path. Returns `None` if the name contains `/` or
/// `@`, or the URL contains `#`: that character probably belongs to a password that is not
/// percent-encoded.
fn database(base: &str) -> Option<&str> {
    let (authority, database) = base.strip_prefix("mysql://")?.split_once('/')?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let whole = !host.is_empty()
        && !database.is_empty()
        && !base.contains('#')
        && !database.contains(['/', '@']);
    whole.then_some(database)
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
        "connecting to MySQL: the URL has an unknown parameter; use `socket=PATH`, `ssl-ca=PATH` \
         and `ssl-mode=DISABLED` or `VERIFY_IDENTITY`",
    )
}

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
            "mysql://ada@host/db?ssl-mode=REQUIRED",
            "mysql://ada@host/db?ssl-mode=VERIFY_CA",
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

    #[cfg(feature = "tls")]
    #[test]
    fn every_encrypted_connection_verifies_the_server() {
        let tls = |options| {
            let address = Address::parse(&format!("mysql://ada@host/db{options}")).unwrap();
            Opts::from(address.login()).ssl_opts().cloned()
        };

        assert!(tls("").is_none());
        assert!(tls("?ssl-mode=DISABLED").is_none());
        let own = tls("?ssl-ca=/etc/ca.pem&ssl-mode=VERIFY_IDENTITY").unwrap();
        assert!(own.disable_built_in_roots());
        assert_eq!(own.root_certs().len(), 1);
        for options in ["?ssl-mode=VERIFY_IDENTITY", "?ssl-ca=/etc/ca.pem"] {
            let tls = tls(options).unwrap();
            assert!(!tls.skip_domain_validation() && !tls.accept_invalid_certs());
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_the_feature_tls_a_url_that_asks_for_it_is_refused() {
        for option in ["ssl-mode=VERIFY_IDENTITY", "ssl-ca=/etc/ca.pem"] {
            let error = Address::parse(&format!("mysql://ada@host/db?{option}")).unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(
                error.to_string().contains("turn on the feature `tls`"),
                "{error}"
            );
        }
    }
}
