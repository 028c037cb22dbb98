use http::header::{SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue};

use super::cache_control::CacheControl;

/// The headers that a request's session adds to its response.
///
/// [`Sessions::finish`](crate::Sessions::finish) returns them.
#[derive(Clone, Debug)]
pub struct Effects {
    cookies: Vec<HeaderValue>,
    pub(crate) vary: bool,
    pub(crate) cache_control: CacheControl,
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

    /// Returns how the response may be cached. The result is `Unchanged` unless the response sets
    /// or removes the cookie. See
    /// [`SessionsBuilder::cache_control`](crate::SessionsBuilder::cache_control).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # use http::{HeaderMap, StatusCode};
    /// use cloakroom::CacheControl;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?.set("theme", "dark")?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    ///
    /// assert_eq!(effects.cache_control(), CacheControl::Private);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache_control(&self) -> CacheControl {
        self.cache_control
    }

    /// Writes the headers to a response.
    ///
    /// Adds `Cookie` to `Vary`, appends the `Set-Cookie` lines and keeps them out of caches as
    /// [`cache_control`](Self::cache_control) describes. For `Private` and `NoStore` this also
    /// removes the fields that only certain shared caches read, such as `CDN-Cache-Control` (RFC
    /// 9213), `Surrogate-Control` and `X-Accel-Expires`: these caches then follow `Cache-Control`.
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
    /// assert_eq!(headers["cache-control"], "private");
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply(self, headers: &mut HeaderMap) {
        if self.vary {
            vary_on_cookie(headers);
        }
        self.cache_control.apply(headers);
        for cookie in self.cookies {
            headers.append(SET_COOKIE, cookie);
        }
    }

    /// Returns whether the response stays unchanged.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.vary && self.cookies.is_empty()
    }
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            cookies: Vec::new(),
            vary: false,
            cache_control: CacheControl::Unchanged,
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
    fn cookie_is_added_to_vary_unless_it_is_already_there() {
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

    fn with(name: http::HeaderName, lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_static(line));
        }
        headers
    }
}
