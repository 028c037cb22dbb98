/// Where a browser's requests go: what cookies see of a URL, without its path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    pub(super) secure: bool,
    /// The host without its port, which means nothing to cookies.
    pub(super) host: String,
    text: String,
}

impl Origin {
    /// # Panics
    /// If `text` is not `http://` or `https://` and a host.
    pub(super) fn parse(text: &str) -> Self {
        let (secure, authority) = match text.split_once("://") {
            Some(("https", authority)) => (true, authority),
            Some(("http", authority)) => (false, authority),
            _ => panic!("{text:?} is no origin: it begins with neither `https://` nor `http://`"),
        };
        let host = match authority.rsplit_once(':') {
            // The colons of an address of IPv6 are in brackets.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        };
        let is_host = !host.is_empty() && !authority.contains(['/', '?', '#', '@']);
        assert!(
            is_host,
            "{text:?} is no origin: it is a host, perhaps a port, and no more"
        );
        Self {
            secure,
            host: host.to_ascii_lowercase(),
            text: text.to_ascii_lowercase(),
        }
    }

    /// As the `Origin` header has it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// As the `Host` header has it.
    pub(super) fn authority(&self) -> &str {
        let (_, authority) = self.text.split_once("://").expect("parsed as one");
        authority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_belongs_to_the_origin_and_not_to_the_host() {
        let local = Origin::parse("http://LocalHost:8000");

        assert_eq!((local.secure, local.host.as_str()), (false, "localhost"));
        assert_eq!(local.authority(), "localhost:8000");
        assert_eq!(Origin::parse("https://[::1]").host, "[::1]");
    }

    #[test]
    #[should_panic(expected = "is no origin")]
    fn a_path_is_no_part_of_an_origin() {
        Origin::parse("https://library.example/catalog");
    }
}
