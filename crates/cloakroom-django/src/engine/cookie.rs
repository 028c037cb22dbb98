//! Session keys and cookies, which are the same in all of Django's engines.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use cloakroom::{SameSite, SessionKey, SetCookie, StoreKey};
use http::HeaderValue;

use crate::wire::cookie::{Attributes, GONE, Lifetime, delete_cookie, set_cookie, unquote};
use crate::wire::key::is_accepted;

pub(super) fn parse_key(text: &str) -> Option<SessionKey> {
    is_accepted(text).then(|| SessionKey::new(text))
}

pub(super) fn store_key(key: &SessionKey) -> StoreKey {
    StoreKey::new(key.reveal().as_bytes())
}

/// Returns the text of a cookie value, without the quotes and escapes that Django adds.
pub(super) fn unquoted(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = String::from_utf8_lossy(value);
    Some(match text.starts_with('"') {
        true => unquote(&text).into(),
        false => text,
    })
}

/// Returns the `Set-Cookie` header that sets or removes the session cookie, as Django writes it.
/// `removal_as_set` is [`Settings::removal_as_set`](super::Settings::removal_as_set).
pub(super) fn spell(set: &SetCookie<'_>, removal_as_set: bool) -> HeaderValue {
    let name = set.cookie.name();
    let cookie = set.cookie.attributes();
    let attributes = Attributes {
        domain: cookie.domain,
        path: cookie.path,
        http_only: cookie.http_only,
        secure: cookie.secure,
        same_site: cookie.same_site.map(SameSite::as_str),
    };
    let text = match set.key {
        Some(key) => {
            let lifetime = set.expires.map(|expires| lifetime(expires, set.now));
            set_cookie(name, key.reveal(), lifetime, &attributes)
        }
        None if removal_as_set => set_cookie(name, "", Some(GONE), &attributes),
        None => delete_cookie(name, &attributes),
    };
    // A key from a browser may contain any character, but `set_cookie` escapes those that a header
    // cannot contain.
    let mut header = HeaderValue::try_from(text).expect("names and attributes were checked");
    header.set_sensitive(true);
    header
}

fn lifetime(expires: SystemTime, now: SystemTime) -> Lifetime {
    let age = expires.duration_since(now).unwrap_or_default().as_secs();
    Lifetime {
        max_age_secs: i64::try_from(age).unwrap_or(i64::MAX),
        expires: now + Duration::from_secs(age),
    }
}
