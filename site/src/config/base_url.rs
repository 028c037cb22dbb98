use std::{fmt, net::SocketAddr, str::FromStr};

use http::{Uri, uri::PathAndQuery};

/// The address that visitors type: a scheme and a host, without a path.
///
/// ```
/// use locallibrary::config::BaseUrl;
///
/// let url: BaseUrl = "https://library.example:8443/".parse().unwrap();
/// assert!(url.is_https());
/// assert_eq!(url.host(), "library.example");
/// assert!("library.example/catalog".parse::<BaseUrl>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    https: bool,
    authority: String,
}

impl BaseUrl {
    /// Returns the base URL of a site that visitors reach without a proxy: plain http, and the
    /// address that the site listens on.
    pub(crate) fn listening_on(address: SocketAddr) -> Self {
        Self {
            https: false,
            authority: address.to_string(),
        }
    }

    /// Returns whether visitors use https. If they do, cookies can have the attribute `Secure`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Returns `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Returns the host, and the port if the URL has one.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the host without the port.
    pub fn host(&self) -> &str {
        host_of(&self.authority)
    }
}

/// Returns the host in `host:port`. The port may be missing, and an IPv6 address is in brackets.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

impl FromStr for BaseUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let parts = url
            .parse::<Uri>()
            .map_err(|_| "not a URL; an example is `https://library.example`")?
            .into_parts();
        let https = match parts.scheme.as_ref().map(|scheme| scheme.as_str()) {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the URL starts with neither `http://` nor `https://`"),
        };
        let authority = parts.authority.ok_or("the URL names no host")?;
        if authority.as_str().contains('@') {
            return Err("the URL contains a user name; leave it out");
        }
        let rest = parts
            .path_and_query
            .as_ref()
            .map_or("/", PathAndQuery::as_str);
        if rest != "/" || url.contains('#') {
            return Err(
                "the site is served from the root of its host; leave out everything after the host",
            );
        }
        Ok(Self {
            https,
            authority: authority.as_str().to_ascii_lowercase(),
        })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_a_scheme_and_a_host_and_nothing_else() {
        let url: BaseUrl = "https://Library.Example:8443/".parse().unwrap();
        assert!(url.is_https());
        assert_eq!(url.host(), "library.example");
        assert_eq!(url.to_string(), "https://library.example:8443");
        for url in [
            "library.example",
            "ftp://x",
            "http://x/path",
            "http://x/?q",
            "http://",
            "http://me@x",
            "/x",
            "http://x#y",
        ] {
            assert!(url.parse::<BaseUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn the_host_of_an_authority_is_the_part_before_the_port() {
        for (authority, host) in [
            ("x:80", "x"),
            ("x", "x"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(host_of(authority), host);
        }
    }
}
