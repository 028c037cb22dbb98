use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue};

/// What a request's session does to its response.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    cookies: Vec<HeaderValue>,
    pub(crate) vary: bool,
    pub(crate) no_store: bool,
}

impl Effects {
    /// Adds a `Set-Cookie`.
    pub(crate) fn set_cookie(&mut self, cookie: HeaderValue) {
        self.cookies.push(cookie);
    }

    /// Returns the values of the `Set-Cookie` lines to add.
    pub fn set_cookies(&self) -> impl Iterator<Item = &HeaderValue> {
        self.cookies.iter()
    }

    /// Returns whether the response depends on the cookie, so that `Vary` must say so.
    pub fn varies_on_cookie(&self) -> bool {
        self.vary
    }

    /// Returns whether the response must be kept out of caches: it sets a cookie, and the sessions were not told to leave
    /// `Cache-Control` alone.
    pub fn forbids_caching(&self) -> bool {
        self.no_store && !self.cookies.is_empty()
    }

    /// Writes them to the response's headers.
    ///
    /// `Vary` is merged with what is there. A response that sets the cookie is kept out of caches, unless its
    /// `Cache-Control` says `no-store` or `private` already or the sessions were told to leave it alone.
    #[inline]
    pub fn apply(self, headers: &mut HeaderMap) {
        // Most responses of a site have none, and are spared the call.
        if self.vary || !self.cookies.is_empty() {
            self.write(headers);
        }
    }

    fn write(self, headers: &mut HeaderMap) {
        if self.vary {
            vary_on_cookie(headers);
        }
        if self.forbids_caching() && !is_kept_out_of_caches(headers) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        for cookie in self.cookies {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

fn vary_on_cookie(headers: &mut HeaderMap) {
    let says_so = members(headers, VARY)
        .any(|member| member == b"*" || member.eq_ignore_ascii_case(b"cookie"));
    if says_so {
        return;
    }
    match headers.get_mut(VARY) {
        Some(first) if !first.is_empty() => {
            *first = HeaderValue::from_bytes(&[first.as_bytes(), b", Cookie"].concat())
                .expect("a valid value stays valid with an ASCII suffix");
        }
        _ => {
            headers.insert(VARY, HeaderValue::from_static("Cookie"));
        }
    }
}

fn is_kept_out_of_caches(headers: &HeaderMap) -> bool {
    members(headers, CACHE_CONTROL).any(|member| {
        member.eq_ignore_ascii_case(b"no-store") || member.eq_ignore_ascii_case(b"private")
    })
}

/// The members of a comma-separated header, over all of its lines.
fn members(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    members.map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_is_merged() {
        for (before, after) in [
            (&[][..], &["Cookie"][..]),
            (&[""], &["Cookie"]),
            (&["Accept"], &["Accept, Cookie"]),
            (&["accept, cookie"], &["accept, cookie"]),
            (&["*"], &["*"]),
            (&["Accept", "COOKIE"], &["Accept", "COOKIE"]),
            (&["Accept", "Origin"], &["Accept, Cookie", "Origin"]),
        ] {
            let mut headers = with(VARY, before);
            let effects = Effects {
                vary: true,
                ..Effects::default()
            };
            effects.apply(&mut headers);
            let lines: Vec<_> = headers.get_all(VARY).iter().collect();
            assert_eq!(lines, after);
        }
    }

    #[test]
    fn a_response_that_sets_the_cookie_is_kept_out_of_caches() {
        for (before, after) in [
            (&[][..], &["no-store"][..]),
            (&["public, max-age=60"], &["no-store"]),
            (&["private, max-age=60"], &["private, max-age=60"]),
            (&["No-Store"], &["No-Store"]),
        ] {
            let mut headers = with(CACHE_CONTROL, before);
            let effects = Effects {
                cookies: vec![HeaderValue::from_static("a=b")],
                no_store: true,
                ..Effects::default()
            };
            effects.apply(&mut headers);
            let lines: Vec<_> = headers.get_all(CACHE_CONTROL).iter().collect();
            assert_eq!(lines, after);
            assert_eq!(headers[SET_COOKIE], "a=b");
        }
    }

    fn with(name: http::HeaderName, lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_static(line));
        }
        headers
    }
}
