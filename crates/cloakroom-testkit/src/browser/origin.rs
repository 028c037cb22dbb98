/// The part of a URL before its path: scheme, host and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    pub(super) secure: bool,
    /// The host without the port. Cookies ignore the port.
    pub(super) host: String,
    text: String,
}

impl Origin {
    /// Parses an origin.
    ///
    /// # Panics
    /// If `text` is not `http://` or `https://` followed by a host and an optional port.
    pub(super) fn parse(text: &str) -> Self {
        let (secure, authority) = match text.split_once("://") {
            Some(("https", authority)) => (true, authority),
            Some(("http", authority)) => (false, authority),
            _ => {
                panic!("{text:?} is not an origin: it starts with neither `https://` nor `http://`")
            }
        };
        let host = match authority.rsplit_once(':') {
            // The colons of an IPv6 address are in brackets.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        };
        let is_host = !host.is_empty() && !authority.contains(['/', '?', '#', '@']);
        assert!(
            is_host,
            "{text:?} is not an origin: an origin is a scheme, a host and an optional port"
        );
        Self {
            secure,
            host: host.to_ascii_lowercase(),
            text: text.to_ascii_lowercase(),
        }
    }

    /// Returns the value of the `Origin` header.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the value of the `Host` header.
    pub(super) fn authority(&self) -> &str {
        let (_, authority) = self.text.split_once("://").expect("the text has a scheme");
        authority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_part_of_the_origin_but_not_of_the_host() {
        let local = Origin::parse("http://LocalHost:8000");

        assert_eq!((local.secure, local.host.as_str()), (false, "localhost"));
        assert_eq!(local.authority(), "localhost:8000");
        assert_eq!(Origin::parse("https://[::1]").host, "[::1]");
    }

    #[test]
    #[should_panic(expected = "is not an origin")]
    fn an_origin_with_a_path_is_refused() {
        Origin::parse("https://library.example/catalog");
    }
}
