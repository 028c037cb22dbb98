use std::fmt;
#[cfg(feature = "tls")]
use std::path::PathBuf;

use cloakroom::{Error, ErrorKind, Result};
use mysql_async::{Opts, OptsBuilder};

/// Where the server is and how to log in there, read from a URL.
///
/// Nothing of a URL that cannot be read is ever shown: any part of it may be a piece of the password.
pub(crate) struct Address {
    login: Opts,
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

    /// What the driver needs to log in.
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
        reason = "as with the feature"
    )]
    fn encrypt(
        &mut self,
        _: impl FnOnce(mysql_async::SslOpts) -> mysql_async::SslOpts,
    ) -> Result<()> {
        Err(Error::new(
            ErrorKind::Config,
            "connecting to MySQL: the URL asks for TLS, and this build has none; turn on the feature `tls` of \
             cloakroom-mysql",
        ))
    }
}

/// Host and port, or the socket.
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

/// The one name in the URL's path. A `/`, `@` or `#` that is not encoded is a password cut in two.
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
        "connecting to MySQL: the URL is not `mysql://USER:PASSWORD@HOST:PORT/DATABASE`; write `@ : / ? # %` in user and \
         password as %40 %3A %2F %3F %23 %25",
    )
}

fn unknown_option() -> Error {
    Error::new(
        ErrorKind::Config,
        "connecting to MySQL: the URL has an option that is none of `socket=PATH`, `ssl-ca=PATH` and \
         `ssl-mode=DISABLED` or `VERIFY_IDENTITY`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_go_and_how_to_log_in() {
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
    fn nothing_of_a_url_that_cannot_be_read_is_shown() {
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
    fn the_password_is_not_in_debug() {
        let address = Address::parse("mysql://ada:s3cret@host/db").unwrap();

        assert_eq!(format!("{address:?} {address}"), "host:3306/db host:3306");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn encrypted_connections_are_verified_ones() {
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
    fn a_build_without_tls_refuses_to_connect_without_it() {
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
