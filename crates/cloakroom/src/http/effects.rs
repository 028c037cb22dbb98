use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue};

/// The headers that a request's session adds to its response.
///
/// [`Sessions::finish`](crate::Sessions::finish) returns them.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    cookies: Vec<HeaderValue>,
    pub(crate) vary: bool,
    pub(crate) no_store: bool,
}

impl Effects {
    pub(crate) fn set_cookie(&mut self, cookie: HeaderValue) {
        self.cookies.push(cookie);
    }

    /// Returns the values of the `Set-Cookie` lines to add.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # use http::{HeaderMap, StatusCode};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?.set("theme", "dark")?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    ///
    /// let cookie = effects.set_cookies().next().unwrap();
    /// assert!(cookie.to_str().unwrap().starts_with("__Host-session="));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_cookies(&self) -> impl Iterator<Item = &HeaderValue> {
        self.cookies.iter()
    }

    /// Returns whether the response depends on the cookie, so that `Vary` must list it.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # use http::{HeaderMap, StatusCode};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    ///
    /// assert!(effects.varies_on_cookie());
    /// # Ok(())
    /// # }
    /// ```
    pub fn varies_on_cookie(&self) -> bool {
        self.vary
    }

    /// Returns whether the response must not be cached.
    ///
    /// This is the case if it sets a cookie, unless
    /// [`SessionsBuilder::no_store`](crate::SessionsBuilder::no_store) is off.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # use http::{HeaderMap, StatusCode};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?.set("theme", "dark")?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    ///
    /// assert!(effects.forbids_caching());
    /// # Ok(())
    /// # }
    /// ```
    pub fn forbids_caching(&self) -> bool {
        self.no_store && !self.cookies.is_empty()
    }

    /// Writes the headers to a response.
    ///
    /// Adds `Cookie` to `Vary` and appends the `Set-Cookie` lines. Sets `Cache-Control: no-store`
    /// if the response [must not be cached](Self::forbids_caching), unless its `Cache-Control` is
    /// already `no-store` or `private`.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # use http::{HeaderMap, StatusCode};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?.set("theme", "dark")?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    ///
    /// let mut headers = HeaderMap::new();
    /// effects.apply(&mut headers);
    /// assert_eq!(headers["vary"], "Cookie");
    /// assert_eq!(headers["cache-control"], "no-store");
    /// # Ok(())
    /// # }
    /// ```
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
    let varies_already = members(headers, VARY)
        .any(|member| member == b"*" || member.eq_ignore_ascii_case(b"cookie"));
    if varies_already {
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

/// Returns the members of a comma-separated header, across all of its lines.
fn members(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    members.map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_is_added_to_vary_unless_it_is_there() {
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
