use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::origin::Origin;

/// A cookie in the jar of a [`Browser`](super::Browser).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cookie {
    /// The name; empty for a line without `=`.
    pub name: String,
    /// The value.
    pub value: String,
    /// The host to which the cookie is sent.
    pub domain: String,
    /// Whether the cookie is sent to `domain` but not to its subdomains, because it has no `Domain`
    /// attribute.
    pub host_only: bool,
    /// The path to which the cookie is sent. The cookie is also sent to every path below this path.
    pub path: String,
    /// When the cookie expires, or `None` if it lasts until the browser is closed.
    pub expires: Option<SystemTime>,
    /// Whether the cookie is sent only over HTTPS.
    pub secure: bool,
    /// Whether the cookie is hidden from scripts.
    pub http_only: bool,
    /// Whether the cookie is stored separately for each embedding site.
    pub partitioned: bool,
    /// The `SameSite` attribute. The field is `None` if the attribute is absent. In that case,
    /// browsers treat the cookie as [`SameSite::Lax`].
    pub same_site: Option<SameSite>,
}

/// The `SameSite` attribute of a cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    /// The cookie is not sent with requests from other sites.
    Strict,
    /// The cookie is sent with a request from another site only if the request is a navigation.
    Lax,
    /// The cookie is sent with every request.
    None,
}

impl Cookie {
    /// Parses a `Set-Cookie` line of the response for `path` at `origin`.
    ///
    /// # Errors
    /// The reason why a browser refuses the cookie, if it does.
    pub(super) fn read(
        line: &str,
        origin: &Origin,
        path: &str,
        now: SystemTime,
    ) -> Result<Self, Refusal> {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let cookie = Self {
            name: name.trim_matches(BLANKS).to_owned(),
            value: value.trim_matches(BLANKS).to_owned(),
            domain: origin.host.clone(),
            host_only: true,
            path: default_path(path).to_owned(),
            expires: None,
            secure: false,
            http_only: false,
            partitioned: false,
            same_site: None,
        };
        if line.contains(|c: char| c.is_ascii_control() && c != '\t') {
            return Err(cookie.refused("it contains a control character"));
        }
        if cookie.name.is_empty() && cookie.value.is_empty() {
            return Err(cookie.refused("it has neither name nor value"));
        }
        if cookie.name.len() + cookie.value.len() > MAX_LEN {
            return Err(cookie.refused("name and value are longer than 4096 bytes together"));
        }
        let attributes = Attributes::read(attributes);
        cookie.with(attributes, origin, now)
    }

    fn with(
        mut self,
        attributes: Attributes<'_>,
        origin: &Origin,
        now: SystemTime,
    ) -> Result<Self, Refusal> {
        self.secure = attributes.secure;
        self.http_only = attributes.http_only;
        self.partitioned = attributes.partitioned;
        self.same_site = attributes.same_site;
        self.expires = attributes.expires(now);
        let domain = attributes.domain.unwrap_or_default().to_ascii_lowercase();
        if !domain.is_empty() {
            if !domain_matches(&origin.host, &domain) {
                return Err(self.refused("its Domain does not match the host"));
            }
            if !domain.contains('.') && domain != origin.host {
                return Err(self.refused("its Domain is a public suffix"));
            }
            self.domain = domain;
            self.host_only = false;
        }
        if let Some(path) = attributes.path.filter(|path| path.starts_with('/')) {
            self.path = path.to_owned();
        }

        match self.fault(attributes.path, origin) {
            Some(reason) => Err(self.refused(reason)),
            None => Ok(self),
        }
    }

    /// Returns the reason to refuse the cookie if its attributes contradict each other, the name of
    /// the cookie, or `origin`. Otherwise returns `None`.
    fn fault(&self, path: Option<&str>, origin: &Origin) -> Option<&'static str> {
        let is_host = begins_with(&self.name, "__Host-");
        let is_secure = begins_with(&self.name, "__Secure-");
        // A cookie without a name is sent as its value alone, which a server may parse as a name.
        let is_disguised = self.name.is_empty()
            && (begins_with(&self.value, "__Host-") || begins_with(&self.value, "__Secure-"));
        let faults = [
            (
                self.secure && !origin.secure,
                "it is Secure and came by plain HTTP",
            ),
            (
                self.same_site == Some(SameSite::None) && !self.secure,
                "SameSite=None needs Secure",
            ),
            (self.partitioned && !self.secure, "Partitioned needs Secure"),
            (
                is_disguised,
                "it has no name and its value begins like a prefixed name",
            ),
            (
                is_secure && !self.secure,
                "the prefix __Secure- needs Secure",
            ),
            (is_host && !self.secure, "the prefix __Host- needs Secure"),
            (
                is_host && !self.host_only,
                "the prefix __Host- allows no Domain",
            ),
            (
                is_host && path != Some("/"),
                "the prefix __Host- needs Path=/",
            ),
        ];
        let fault = faults.into_iter().find(|(is_faulty, _)| *is_faulty);
        fault.map(|(_, reason)| reason)
    }

    fn refused(&self, reason: &'static str) -> Refusal {
        Refusal {
            name: self.name.clone(),
            reason,
        }
    }

    /// Returns whether a jar stores this cookie in place of `other`.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
            && self.partitioned == other.partitioned
    }

    /// Returns whether this cookie, set over plain HTTP, would be sent before or instead of
    /// `secure`.
    pub(super) fn shadows(&self, secure: &Self) -> bool {
        self.name == secure.name
            && (domain_matches(&self.domain, &secure.domain)
                || domain_matches(&secure.domain, &self.domain))
            && path_matches(&self.path, &secure.path)
    }

    pub(super) fn is_sent_to(&self, origin: &Origin, path: &str) -> bool {
        let is_host = if self.host_only {
            origin.host == self.domain
        } else {
            domain_matches(&origin.host, &self.domain)
        };
        is_host && path_matches(path, &self.path) && (origin.secure || !self.secure)
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The reason why a browser refuses a cookie.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) name: String,
    pub(super) reason: &'static str,
}

#[derive(Default)]
struct Attributes<'a> {
    max_age_secs: Option<i64>,
    expires: Option<SystemTime>,
    domain: Option<&'a str>,
    path: Option<&'a str>,
    secure: bool,
    http_only: bool,
    partitioned: bool,
    same_site: Option<SameSite>,
}

impl<'a> Attributes<'a> {
    /// Parses the attributes. If an attribute is repeated, the last one wins. Unknown attributes
    /// are ignored.
    fn read(text: &'a str) -> Self {
        let mut all = Self::default();
        for attribute in text.split(';') {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (name, value) = (name.trim_matches(BLANKS), value.trim_matches(BLANKS));
            if value.len() > MAX_ATTRIBUTE_LEN {
                continue;
            }
            match name.to_ascii_lowercase().as_str() {
                "max-age" => all.max_age_secs = max_age_secs(value).or(all.max_age_secs),
                "expires" => all.expires = httpdate::parse_http_date(value).ok().or(all.expires),
                "domain" => all.domain = Some(value.strip_prefix('.').unwrap_or(value)),
                "path" => all.path = Some(value),
                "secure" => all.secure = true,
                "httponly" => all.http_only = true,
                "partitioned" => all.partitioned = true,
                "samesite" => all.same_site = same_site(value),
                _ => {}
            }
        }
        all
    }

    /// Returns the time of expiry, or `None` if there is neither a valid `Max-Age` nor a valid
    /// `Expires`. `Max-Age` takes precedence over `Expires`, and both are limited to 400 days.
    fn expires(&self, now: SystemTime) -> Option<SystemTime> {
        let at = match self.max_age_secs {
            Some(..=0) => UNIX_EPOCH,
            Some(secs) => now + Duration::from_secs(secs.unsigned_abs()).min(MAX_AGE),
            None => self.expires?,
        };
        Some(at.min(now + MAX_AGE))
    }
}

fn max_age_secs(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number that does not fit into 64 bits becomes the nearest number that fits.
    let nearest = if digits == value { i64::MAX } else { i64::MIN };
    Some(value.parse().unwrap_or(nearest))
}

fn same_site(value: &str) -> Option<SameSite> {
    match value.to_ascii_lowercase().as_str() {
        "strict" => Some(SameSite::Strict),
        "lax" => Some(SameSite::Lax),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

fn begins_with(name: &str, prefix: &str) -> bool {
    let start = name.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(last @ 1..) if path.starts_with('/') => &path[..last],
        _ => "/",
    }
}

fn domain_matches(host: &str, domain: &str) -> bool {
    let before = host.strip_suffix(domain);
    before.is_some_and(|before| {
        // An IP address has no subdomains.
        before.is_empty() || (before.ends_with('.') && host.parse::<Ipv4Addr>().is_err())
    })
}

fn path_matches(path: &str, of_cookie: &str) -> bool {
    let rest = path.strip_prefix(of_cookie);
    rest.is_some_and(|rest| rest.is_empty() || of_cookie.ends_with('/') || rest.starts_with('/'))
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The maximum length of the name and the value together, in bytes.
const MAX_LEN: usize = 4_096;

/// The maximum length of an attribute's value, in bytes. Longer attributes are ignored.
const MAX_ATTRIBUTE_LEN: usize = 1_024;

/// The longest time for which browsers keep a cookie: 400 days.
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_case_insensitive_and_the_last_one_wins() {
        let cookie =
            read("a=b; SECURE; httponly; sameSITE=Strict; Path=/x; path=/y; Junk=1").unwrap();

        assert_eq!((cookie.name.as_str(), cookie.value.as_str()), ("a", "b"));
        assert!(cookie.secure && cookie.http_only && cookie.host_only && !cookie.partitioned);
        assert_eq!(cookie.same_site, Some(SameSite::Strict));
        assert_eq!(cookie.path, "/y");
        assert_eq!(cookie.expires, None);
    }

    #[test]
    fn a_cookie_without_path_gets_the_folder_of_the_page() {
        assert_eq!(read("a=b").unwrap().path, "/catalog");
        assert_eq!(read("a=b; Path=relative").unwrap().path, "/catalog");
        assert_eq!(default_path("/"), "/");
        assert_eq!(default_path("/top"), "/");
        assert_eq!(default_path("/catalog/"), "/catalog");
    }

    #[test]
    fn max_age_takes_precedence_over_expires_and_both_are_limited_to_400_days() {
        let date = "Expires=Thu, 01 Jan 1970 00:00:20 GMT";

        assert_eq!(secs(&format!("a=b; {date}")), Some(20));
        assert_eq!(secs(&format!("a=b; Max-Age=7; {date}")), Some(17));
        assert_eq!(secs(&format!("a=b; {date}; Max-Age=7 days")), Some(20));
        assert_eq!(secs(&format!("a=b; Max-Age=0; {date}")), Some(0));
        assert_eq!(secs("a=b; Max-Age=-99999999999999999999"), Some(0));
        assert_eq!(
            secs("a=b; Max-Age=99999999999999999999"),
            Some(10 + MAX_AGE.as_secs())
        );
        assert_eq!(
            secs("a=b; Expires=Fri, 31 Dec 9999 23:59:59 GMT"),
            Some(10 + MAX_AGE.as_secs())
        );
        assert_eq!(secs("a=b; Expires=never"), None);
    }

    #[test]
    fn prefixes_require_their_attributes() {
        for kept in [
            "__Host-a=b; Secure; Path=/",
            "__Host-a=b; Secure; Path=/; Domain=",
            "__Secure-a=b; Secure; Domain=library.example",
        ] {
            assert!(read(kept).is_ok(), "{kept}");
        }
        for (refused, reason) in [
            ("__Host-a=b; Path=/", "needs Secure"),
            ("__Host-a=b; Secure", "needs Path=/"),
            ("__host-a=b; Secure; Path=/catalog", "needs Path=/"),
            (
                "__Host-a=b; Secure; Path=/; Domain=library.example",
                "allows no Domain",
            ),
            ("__Secure-a=b; Path=/", "needs Secure"),
            ("=__Host-a; Secure; Path=/", "no name"),
            ("__Secure-a; Secure", "no name"),
        ] {
            assert!(
                refusal(refused).contains(reason),
                "{refused}: {}",
                refusal(refused)
            );
        }
    }

    #[test]
    fn a_cookie_that_browsers_refuse_is_refused_with_the_reason() {
        for (refused, reason) in [
            ("a=b; SameSite=None", "SameSite=None needs Secure"),
            ("a=b; Partitioned", "Partitioned needs Secure"),
            ("a=b; Domain=other.example", "does not match the host"),
            ("a=b; Domain=www.library.example", "does not match the host"),
            ("a=b; Domain=y.example", "does not match the host"),
            ("a=b; Domain=.example", "public suffix"),
            ("a=b\u{1}", "control character"),
            (" = ; Secure", "neither name nor value"),
            (&format!("a={}", "x".repeat(MAX_LEN)), "longer than 4096"),
        ] {
            assert!(
                refusal(refused).contains(reason),
                "{refused}: {}",
                refusal(refused)
            );
        }
        assert!(read(&format!("a={}", "x".repeat(MAX_LEN - 1))).is_ok());

        let plain = Origin::parse("http://library.example");
        let over_http = Cookie::read("a=b; Secure", &plain, "/", UNIX_EPOCH);
        assert!(over_http.is_err_and(|refusal| refusal.reason.contains("plain HTTP")));
    }

    #[test]
    fn domains_match_only_at_dots_and_paths_only_at_slashes() {
        assert!(domain_matches("www.library.example", "library.example"));
        assert!(!domain_matches("mylibrary.example", "library.example"));
        assert!(!domain_matches("library.example", "www.library.example"));
        assert!(domain_matches("127.0.0.1", "127.0.0.1"));
        assert!(!domain_matches("127.0.0.1", "0.0.1"));

        assert!(path_matches("/catalog", "/catalog"));
        assert!(path_matches("/catalog/books", "/catalog"));
        assert!(path_matches("/catalog/books", "/catalog/"));
        assert!(!path_matches("/catalogue", "/catalog"));
        assert!(!path_matches("/", "/catalog"));
    }

    fn read(line: &str) -> Result<Cookie, Refusal> {
        let origin = Origin::parse("https://library.example");
        Cookie::read(
            line,
            &origin,
            "/catalog/books",
            UNIX_EPOCH + Duration::from_secs(10),
        )
    }

    fn refusal(line: &str) -> &'static str {
        read(line).map_or_else(|refusal| refusal.reason, |_| "none")
    }

    fn secs(line: &str) -> Option<u64> {
        let expires = read(line).ok()?.expires?;
        Some(expires.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }
}
