use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use super::cookie::Cookie;
use crate::model::{SessionKey, after};

/// The contents of one `Set-Cookie` line, which a [`Format`](crate::format::Format) writes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SetCookie<'a> {
    /// The name and attributes of the cookie.
    pub cookie: &'a Cookie,
    /// The session key, or `None` to remove the cookie.
    pub key: Option<&'a SessionKey>,
    /// When the browser deletes the cookie. `None` means when the browser closes.
    pub expires: Option<SystemTime>,
    /// The current time, from which the age until `expires` is counted.
    pub now: SystemTime,
}

impl SetCookie<'_> {
    /// Writes the value of the header as RFC 6265bis specifies it.
    ///
    /// `Expires` repeats the lifetime for clients that do not support `Max-Age`. `Max-Age` is in
    /// whole seconds, rounded down, and at most 400 days, the maximum that browsers accept. A
    /// removal repeats every attribute: if its domain or path differed from those of the cookie,
    /// browsers would keep the cookie.
    pub(crate) fn spell(&self) -> HeaderValue {
        use fmt::Write as _;

        let name = self.cookie.name();
        let attributes = self.cookie.attributes();
        let value = self.key.map_or("", SessionKey::reveal);
        let mut text = format!("{name}={value}; Path={}", attributes.path);
        let lifetime = match (self.key, self.expires) {
            (None, _) => Some((UNIX_EPOCH, Duration::ZERO)),
            (Some(_), Some(expires)) => {
                let age = expires.duration_since(self.now).unwrap_or_default();
                let age = Duration::from_secs(age.as_secs()).min(MAX_COOKIE_AGE);
                Some((after(self.now, age), age))
            }
            (Some(_), None) => None,
        };
        let mut write = |attribute: fmt::Arguments<'_>| {
            text.write_fmt(attribute)
                .expect("writing to a String cannot fail");
        };
        if let Some((expires, age)) = lifetime {
            let date = httpdate::fmt_http_date(expires);
            write(format_args!("; Max-Age={}; Expires={date}", age.as_secs()));
        }
        if let Some(domain) = attributes.domain {
            write(format_args!("; Domain={domain}"));
        }
        if attributes.http_only {
            write(format_args!("; HttpOnly"));
        }
        if let Some(same_site) = attributes.same_site {
            write(format_args!("; SameSite={same_site}"));
        }
        if attributes.secure {
            write(format_args!("; Secure"));
        }
        if attributes.partitioned {
            write(format_args!("; Partitioned"));
        }
        let mut header = HeaderValue::try_from(text).expect("names and attributes were checked");
        header.set_sensitive(true);
        header
    }
}

/// The longest lifetime of a cookie that browsers accept (RFC 6265bis, section 5.5).
const MAX_COOKIE_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::super::cookie::SameSite;
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn cookies_are_written_with_their_attributes() {
        assert_eq!(
            spelled(
                &Cookie::default(),
                Some("KEY"),
                Some(Duration::from_secs(1_209_600))
            ),
            "__Host-session=KEY; Path=/; Max-Age=1209600; Expires=Sun, 01 Feb 2026 00:00:00 GMT; \
             HttpOnly; SameSite=Lax; Secure",
        );
        assert_eq!(
            spelled(&Cookie::new("sid").plain_http(), Some("KEY"), None),
            "sid=KEY; Path=/; HttpOnly; SameSite=Lax",
        );
    }

    #[test]
    fn a_removal_repeats_every_attribute() {
        let cookie = Cookie::new("__Secure-sid")
            .domain("example.com")
            .path("/app")
            .same_site(SameSite::None)
            .partitioned(true);

        assert_eq!(
            spelled(&cookie, None, None),
            "__Secure-sid=; Path=/app; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; \
             Domain=example.com; HttpOnly; SameSite=None; Secure; Partitioned",
        );
    }

    #[test]
    fn max_age_is_capped_at_400_days_and_never_overflows() {
        for age in [
            Duration::from_secs(500 * 86_400),
            Duration::from_secs(u64::from(u32::MAX)),
        ] {
            let text = spelled(&Cookie::default(), Some("KEY"), Some(age));
            assert!(
                text.contains("; Max-Age=34560000; Expires=Mon, 22 Feb 2027 "),
                "{text}"
            );
        }
        let past = SetCookie {
            cookie: &Cookie::default(),
            key: Some(&SessionKey::new("KEY")),
            expires: Some(UNIX_EPOCH),
            now: now(),
        };
        assert!(past.spell().to_str().unwrap().contains("Max-Age=0;"));
    }

    fn spelled(cookie: &Cookie, key: Option<&str>, age: Option<Duration>) -> String {
        let key = key.map(SessionKey::new);
        let set = SetCookie {
            cookie,
            key: key.as_ref(),
            expires: age.map(|age| now() + age),
            now: now(),
        };
        set.spell().to_str().unwrap().to_owned()
    }

    /// 2026-01-18T00:00:00Z.
    fn now() -> SystemTime {
        from_millis(1_768_694_400_000)
    }
}
