use std::time::SystemTime;

use super::cookie::{Cookie, Refusal};
use super::origin::Origin;

/// The cookies that a browser stores, the oldest first, and the cookies that it refused.
#[derive(Debug, Default)]
pub(super) struct Jar {
    pub(super) cookies: Vec<Cookie>,
    pub(super) dropped: Vec<String>,
}

impl Jar {
    /// Stores or refuses the cookie in a `Set-Cookie` line.
    pub(super) fn receive(&mut self, line: &str, origin: &Origin, path: &str, now: SystemTime) {
        self.remove_expired(now);
        let kept = Cookie::read(line, origin, path, now).and_then(|new| self.allow(new, origin));
        let new = match kept {
            Ok(new) => new,
            Err(Refusal { name, reason }) => return self.dropped.push(format!("{name}: {reason}")),
        };
        match self.cookies.iter_mut().find(|old| new.replaces(old)) {
            // The new cookie gets the position of the old one, because cookies are sent in the
            // order in which they were first set.
            Some(old) => *old = new,
            None => self.cookies.push(new),
        }
        self.remove_expired(now);
    }

    /// Returns the `Cookie` header for a request. Cookies with longer paths come first. Among
    /// cookies with equally long paths, older ones come first.
    pub(super) fn header(
        &mut self,
        origin: &Origin,
        path: &str,
        now: SystemTime,
    ) -> Option<String> {
        self.remove_expired(now);
        let mut sent: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.is_sent_to(origin, path))
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));

        let pairs: Vec<String> = sent.into_iter().map(pair).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    pub(super) fn remove_expired(&mut self, now: SystemTime) {
        self.cookies.retain(|cookie| !cookie.has_expired(now));
    }

    /// Refuses a cookie that came over plain HTTP and would replace or shadow a `Secure` cookie,
    /// because anyone on the network can forge plain HTTP.
    fn allow(&self, new: Cookie, origin: &Origin) -> Result<Cookie, Refusal> {
        let is_hidden = |old: &Cookie| old.secure && new.shadows(old);
        if !origin.secure && self.cookies.iter().any(is_hidden) {
            return Err(Refusal {
                name: new.name,
                reason: "it came by plain HTTP, and there is a Secure cookie of that name",
            });
        }
        Ok(new)
    }
}

fn pair(cookie: &Cookie) -> String {
    match cookie.name.as_str() {
        "" => cookie.value.clone(),
        name => format!("{name}={}", cookie.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_cookie_is_replaced_only_by_one_with_the_same_name_domain_and_path() {
        let mut jar = Jar::default();
        for line in [
            "a=1; Path=/",
            "a=2; Path=/x",
            "a=3; Path=/; Domain=library.example",
            "a=4; Path=/",
        ] {
            receive(&mut jar, HTTPS, line);
        }

        assert_eq!(
            header(&mut jar, HTTPS, "/x").as_deref(),
            Some("a=2; a=4; a=3")
        );
    }

    #[test]
    fn max_age_zero_removes_only_the_cookie_with_the_same_attributes() {
        let mut jar = Jar::default();
        receive(
            &mut jar,
            HTTPS,
            "a=1; Path=/; Domain=library.example; Secure",
        );
        receive(&mut jar, HTTPS, "b=1; Path=/; Secure; Partitioned");

        for line in [
            "a=; Path=/; Max-Age=0",
            "a=; Path=/x; Domain=library.example; Max-Age=0",
        ] {
            receive(&mut jar, HTTPS, line);
            assert!(
                header(&mut jar, HTTPS, "/").is_some_and(|sent| sent.contains("a=1")),
                "{line}"
            );
        }
        receive(&mut jar, HTTPS, "b=; Path=/; Secure; Max-Age=0");
        assert_eq!(header(&mut jar, HTTPS, "/").as_deref(), Some("a=1; b=1"));

        receive(
            &mut jar,
            HTTPS,
            "a=; Path=/; Domain=library.example; Max-Age=0",
        );
        receive(
            &mut jar,
            HTTPS,
            "b=; Path=/; Secure; Partitioned; Max-Age=0",
        );
        assert_eq!(header(&mut jar, HTTPS, "/"), None);
        assert_eq!(jar.dropped, [""; 0]);
    }

    #[test]
    fn a_host_only_cookie_is_not_sent_to_subdomains() {
        let mut jar = Jar::default();
        receive(&mut jar, HTTPS, "mine=1; Path=/");
        receive(&mut jar, HTTPS, "ours=1; Path=/; Domain=library.example");

        assert_eq!(
            header(&mut jar, "https://www.library.example", "/").as_deref(),
            Some("ours=1")
        );
        assert_eq!(header(&mut jar, "https://other.example", "/"), None);
    }

    #[test]
    fn plain_http_neither_sees_nor_replaces_nor_removes_a_secure_cookie() {
        let mut jar = Jar::default();
        receive(&mut jar, HTTPS, "a=1; Path=/; Secure");

        for line in ["a=2; Path=/", "a=2; Path=/x", "a=; Path=/; Max-Age=0"] {
            receive(&mut jar, HTTP, line);
        }

        assert_eq!(header(&mut jar, HTTP, "/x"), None);
        assert_eq!(header(&mut jar, HTTPS, "/x").as_deref(), Some("a=1"));
        assert_eq!(jar.dropped.len(), 3);
    }

    #[test]
    fn a_cookie_expires_at_the_second_of_its_expiry() {
        let mut jar = Jar::default();
        let origin = Origin::parse(HTTPS);
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        jar.receive("a=1; Max-Age=10", &origin, "/", at(100));

        assert!(jar.header(&origin, "/", at(109)).is_some());
        assert!(jar.header(&origin, "/", at(110)).is_none());
    }

    fn receive(jar: &mut Jar, origin: &str, line: &str) {
        jar.receive(line, &Origin::parse(origin), "/", UNIX_EPOCH);
    }

    fn header(jar: &mut Jar, origin: &str, path: &str) -> Option<String> {
        jar.header(&Origin::parse(origin), path, UNIX_EPOCH)
    }

    const HTTPS: &str = "https://library.example";
    const HTTP: &str = "http://library.example";
}
