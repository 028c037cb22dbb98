use std::path::PathBuf;

use cloakroom::{Error, ErrorKind, Result};

use crate::{Encryption, Verification};

/// The driver that reads a URL.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// The beginning of the driver's errors, such as `reading the URL of PostgreSQL`.
    pub doing: &'static str,
    /// The name of the driver's crate.
    pub package: &'static str,
    /// Whether the feature `tls` of that crate is on.
    pub has_tls: bool,
}

impl Driver {
    /// Splits the parameters for TLS off `url`. Returns the rest of the URL, and the encryption
    /// that the parameters request.
    ///
    /// The parameters begin at the first `?`. Their names and values may be percent-encoded.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for an unknown, outdated or repeated parameter, for a value
    /// that is not valid, and for a parameter that needs the feature `tls` if that feature is off.
    /// The error does not quote the URL.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_tls::{Driver, Encryption};
    ///
    /// let driver = Driver { doing: "testing", package: "cloakroom-redis", has_tls: true };
    /// let url = "redis://db.example?protocol=resp2&sslmode=verify-full&sslrootcert=/etc/ca.pem";
    /// let (rest, encryption) = driver.split_off(url)?;
    /// assert_eq!(rest, "redis://db.example?protocol=resp2");
    /// assert!(matches!(encryption, Encryption::On(_)));
    ///
    /// let error = driver.split_off("redis://db.example?sslmode=prefer").unwrap_err();
    /// assert!(error.to_string().contains("use `sslmode=verify-full`"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn split_off(&self, url: &str) -> Result<(String, Encryption)> {
        let Some((base, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), Encryption::Unset));
        };
        let mut mode = None;
        let mut root_cert = None;
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decode(name).unwrap_or_default();
            let earlier = match name.as_str() {
                "sslmode" => mode
                    .replace(Mode::of(value).map_err(|why| self.bad_url(why))?)
                    .is_some(),
                "sslrootcert" => root_cert.replace(self.root_cert(value)?).is_some(),
                "ssl-mode" => return Err(self.bad_url(OLD_MODE)),
                "ssl-ca" => return Err(self.bad_url(OLD_ROOT_CERT)),
                // A parameter that PostgreSQL's driver reads.
                "sslnegotiation" => {
                    others.push(pair);
                    false
                }
                other if is_about_tls(other) => return Err(self.bad_url(UNKNOWN)),
                _ => {
                    others.push(pair);
                    false
                }
            };
            if earlier {
                return Err(self.bad_url("has `sslmode` or `sslrootcert` twice"));
            }
        }
        let rest = match others.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", others.join("&")),
        };
        let checks_name = match (mode, &root_cert) {
            (None, None) => return Ok((rest, Encryption::Unset)),
            (Some(Mode::Disable), _) => return Ok((rest, Encryption::Off)),
            (Some(Mode::VerifyCa), _) => false,
            (Some(Mode::VerifyFull), _) | (None, Some(_)) => true,
        };
        let verification = self.verification(checks_name, root_cert.flatten())?;
        Ok((rest, Encryption::On(verification)))
    }

    /// Returns how to verify the server if only the scheme of the URL requests encryption, as
    /// `rediss` does. The result is the same as for `sslmode=verify-full`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the feature `tls` of the driver is off.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_tls::Driver;
    ///
    /// let driver = Driver { doing: "testing", package: "cloakroom-redis", has_tls: true };
    /// assert!(driver.verify_full()?.checks_name());
    ///
    /// let driver = Driver { has_tls: false, ..driver };
    /// let error = driver.verify_full().unwrap_err();
    /// assert!(error.to_string().contains("the feature `tls` of cloakroom-redis"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn verify_full(&self) -> Result<Verification> {
        self.verification(true, None)
    }

    fn verification(&self, checks_name: bool, root_cert: Option<PathBuf>) -> Result<Verification> {
        if !self.has_tls {
            let package = self.package;
            return Err(self.bad_url(&format!(
                "asks for TLS, which needs the feature `tls` of {package}; turn it on"
            )));
        }
        Ok(Verification {
            driver: *self,
            checks_name,
            root_cert,
        })
    }

    fn root_cert(&self, value: &str) -> Result<Option<PathBuf>> {
        match percent_decode(value).as_deref() {
            None | Some("") => Err(self.bad_url("has a `sslrootcert` that is not a path")),
            Some("system") => Ok(None),
            Some(path) => Ok(Some(path.into())),
        }
    }

    /// Returns an error about the URL. `why` must not quote the URL, which may contain a password.
    fn bad_url(&self, why: &str) -> Error {
        Error::new(ErrorKind::Config, format!("{}: the URL {why}", self.doing))
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Disable,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    fn of(value: &str) -> Result<Self, &'static str> {
        match percent_decode(value).unwrap_or_default().as_str() {
            "disable" => Ok(Self::Disable),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" | "require" => Ok(Self::VerifyFull),
            "prefer" => Err(PREFER),
            "allow" => Err(ALLOW),
            _ => Err(UNKNOWN_MODE),
        }
    }
}

/// Returns whether a parameter, perhaps a misspelled one, is meant for TLS. Ignoring such a
/// parameter could leave the connection unencrypted.
fn is_about_tls(name: &str) -> bool {
    let start = name.get(..3).unwrap_or_default();
    start.eq_ignore_ascii_case("ssl") || start.eq_ignore_ascii_case("tls")
}

fn percent_decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

const PREFER: &str = "has `sslmode=prefer`, which an attacker on the network could downgrade to \
                      no encryption; use `sslmode=verify-full`, or `sslmode=disable` if the \
                      network can be trusted";

const ALLOW: &str = "has `sslmode=allow`, which encrypts only if the server insists; use \
                     `sslmode=verify-full`, or `sslmode=disable` if the network can be trusted";

const UNKNOWN_MODE: &str = "has an unknown `sslmode`; use one of `disable`, `verify-ca` and \
                            `verify-full`";

const UNKNOWN: &str = "has an unknown parameter for TLS; only `sslmode` (with `disable`, \
                       `verify-ca` or `verify-full`) and `sslrootcert=PATH` are accepted";

const OLD_MODE: &str = "has `ssl-mode`, which is called `sslmode` now; instead of DISABLED, \
                        VERIFY_CA and VERIFY_IDENTITY write `disable`, `verify-ca` and \
                        `verify-full`";

const OLD_ROOT_CERT: &str = "has `ssl-ca`, which is called `sslrootcert` now; add \
                             `sslmode=verify-full`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_sets_the_encryption_and_the_check_of_the_name() {
        let encryption_of = |query: &str| {
            let url = format!("redis://ada:s3cret@db.example/1{query}");
            let (rest, encryption) = DRIVER.split_off(&url).unwrap();
            assert_eq!(rest, "redis://ada:s3cret@db.example/1", "{query}");
            match encryption {
                Encryption::Unset => "unset".to_owned(),
                Encryption::Off => "off".to_owned(),
                Encryption::On(how) => match how.root_cert {
                    None => format!("name {}", how.checks_name),
                    Some(path) => format!("name {}, {}", how.checks_name, path.display()),
                },
            }
        };
        for (query, expected) in [
            ("", "unset"),
            ("?", "unset"),
            ("?sslmode=disable", "off"),
            ("?sslmode=disable&sslrootcert=/etc/ca.pem", "off"),
            ("?sslmode=require", "name true"),
            ("?sslmode=verify-full", "name true"),
            ("?sslmode=verify-ca", "name false"),
            ("?%73slmode=verify%2Dca", "name false"),
            ("?sslrootcert=/etc/ca.pem", "name true, /etc/ca.pem"),
            (
                "?sslrootcert=/a%20b%26c.pem&sslmode=verify-ca",
                "name false, /a b&c.pem",
            ),
            ("?sslmode=verify-full&sslrootcert=system", "name true"),
        ] {
            assert_eq!(encryption_of(query), expected, "{query}");
        }
    }

    #[test]
    fn the_parameters_of_the_driver_stay_in_the_url() {
        let rest = |url: &str| DRIVER.split_off(url).unwrap().0;

        assert_eq!(
            rest("postgres://h/d?a=1&sslmode=disable&sslnegotiation=direct&b=%41"),
            "postgres://h/d?a=1&sslnegotiation=direct&b=%41"
        );
        assert_eq!(rest("redis://h#x"), "redis://h#x");
    }

    #[test]
    fn a_bad_parameter_is_refused_with_a_reason_that_does_not_quote_its_value() {
        for (query, why) in [
            ("sslmode=prefer", "has `sslmode=prefer`, which an attacker"),
            (
                "sslmode=allow",
                "has `sslmode=allow`, which encrypts only if",
            ),
            ("sslmode=", "has an unknown `sslmode`"),
            ("sslmode", "has an unknown `sslmode`"),
            ("sslmode=s3cret", "has an unknown `sslmode`"),
            ("sslmode=VERIFY-FULL", "has an unknown `sslmode`"),
            ("sslmode=verify-full%", "has an unknown `sslmode`"),
            (
                "sslmod=verify-full",
                "has an unknown parameter for TLS; only `sslmode`",
            ),
            ("SSLMODE=disable", "has an unknown parameter for TLS"),
            ("ssl=true", "has an unknown parameter for TLS"),
            ("tls=s3cret", "has an unknown parameter for TLS"),
            ("sslcert=s3cret", "has an unknown parameter for TLS"),
            (
                "ssl-mode=REQUIRED",
                "`ssl-mode`, which is called `sslmode` now",
            ),
            (
                "ssl-ca=/s3cret",
                "`ssl-ca`, which is called `sslrootcert` now",
            ),
            ("sslrootcert=", "has a `sslrootcert` that is not a path"),
            ("sslrootcert=%ff", "has a `sslrootcert` that is not a path"),
            (
                "sslmode=verify-full&sslmode=disable",
                "has `sslmode` or `sslrootcert` twice",
            ),
        ] {
            let url = format!("redis://ada:s3cret@db.example?{query}");

            let error = DRIVER.split_off(&url).unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(
                error.to_string().starts_with("testing: the URL "),
                "{error}"
            );
            assert!(error.to_string().contains(why), "{query}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn without_the_feature_tls_a_url_that_asks_for_it_is_refused() {
        let driver = Driver {
            has_tls: false,
            ..DRIVER
        };
        for query in [
            "sslmode=verify-ca",
            "sslmode=require",
            "sslrootcert=/ca.pem",
        ] {
            let error = driver.split_off(&format!("redis://h?{query}")).unwrap_err();

            assert_eq!(
                error.to_string(),
                "testing: the URL asks for TLS, which needs the feature `tls` of cloakroom-redis; \
                 turn it on"
            );
        }
        assert!(driver.split_off("redis://h?sslmode=disable").is_ok());
    }

    const DRIVER: Driver = Driver {
        doing: "testing",
        package: "cloakroom-redis",
        has_tls: true,
    };
}
