use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};

/// How a response that sets or removes the session cookie may be cached.
///
/// [`SessionsBuilder::cache_control`](crate::SessionsBuilder::cache_control) sets it.
///
/// # Examples
/// ```
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{CacheControl, Sessions};
///
/// let strict = Sessions::builder(MemoryStore::new()).cache_control(CacheControl::NoStore);
/// assert!(strict.build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CacheControl {
    /// The headers of the site stay as they are.
    Unchanged,
    /// `private`: no shared cache stores the response. The browser may store it, even in its
    /// back/forward cache.
    Private,
    /// `no-store`: no cache stores the response.
    NoStore,
}

impl CacheControl {
    /// Writes the headers.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        let value = match self {
            Self::Unchanged => return,
            Self::Private => private(headers),
            Self::NoStore => no_store(headers),
        };
        if let Some(value) = value {
            headers.insert(CACHE_CONTROL, value);
        }
        // Certain shared caches prefer their own fields to `Cache-Control`, so these fields are
        // removed. The loop runs once per field.
        while let Some(name) = headers.keys().find(|name| is_targeted(name)).cloned() {
            headers.remove(name);
        }
    }
}

/// Returns the `Cache-Control` of `headers` with `private` added, or `None` if it already excludes
/// shared caches.
///
/// The site's directives for browsers stay, so that a `no-cache` is not weakened.
fn private(headers: &HeaderMap) -> Option<HeaderValue> {
    if !headers.contains_key(CACHE_CONTROL) {
        return Some(HeaderValue::from_static("private"));
    }
    let invites_shared_caches = |directive: &&[u8]| {
        ["public", "s-maxage"]
            .iter()
            .any(|name| is_named(directive, name))
    };
    let is_kept_out = directives(headers)
        .any(|directive| directive.eq_ignore_ascii_case(b"private"))
        || forbids_storing(headers);
    if is_kept_out && !directives(headers).any(|directive| invites_shared_caches(&directive)) {
        return None;
    }
    let mut value = b"private".to_vec();
    for directive in directives(headers) {
        // `private="field"` restricts only the field that it names, and the plain `private`
        // restricts the whole response.
        if !invites_shared_caches(&directive) && !is_named(directive, "private") {
            value.extend_from_slice(b", ");
            value.extend_from_slice(directive);
        }
    }
    Some(HeaderValue::from_bytes(&value).expect("parts of valid values are valid"))
}

/// Returns `no-store`, or `None` if `headers` already contain it.
fn no_store(headers: &HeaderMap) -> Option<HeaderValue> {
    (!forbids_storing(headers)).then(|| HeaderValue::from_static("no-store"))
}

/// Returns whether `Cache-Control` keeps the response out of every cache. If the header contains
/// `must-understand`, caches that implement this directive ignore `no-store` (RFC 9111, section
/// 5.2.2.3).
fn forbids_storing(headers: &HeaderMap) -> bool {
    directives(headers).any(|directive| directive.eq_ignore_ascii_case(b"no-store"))
        && !directives(headers).any(|directive| is_named(directive, "must-understand"))
}

/// Returns the directives of `Cache-Control`, across all of its lines.
fn directives(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(CACHE_CONTROL).into_iter();
    let directives = lines.flat_map(|line| {
        let mut is_quoted = false;
        let mut is_escaped = false;
        line.as_bytes().split(move |&byte| {
            match (is_quoted, byte) {
                (true, _) if is_escaped => is_escaped = false,
                (true, b'\\') => is_escaped = true,
                (_, b'"') => is_quoted = !is_quoted,
                _ => {}
            }
            byte == b',' && !is_quoted
        })
    });
    directives
        .map(<[u8]>::trim_ascii)
        .filter(|directive| !directive.is_empty())
}

fn is_named(directive: &[u8], name: &str) -> bool {
    let (prefix, rest) = directive.split_at(name.len().min(directive.len()));
    prefix.eq_ignore_ascii_case(name.as_bytes())
        && matches!(rest.trim_ascii_start().first(), None | Some(b'='))
}

/// Returns whether certain shared caches prefer this field to `Cache-Control`. They prefer the
/// targeted fields of RFC 9213, whose names end in `-cache-control` by convention, and some older
/// fields.
fn is_targeted(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("-cache-control")
        || ["edge-control", "surrogate-control", "x-accel-expires"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_excludes_shared_caches_and_keeps_the_directives_for_browsers() {
        for (before, after) in [
            (&[][..], &["private"][..]),
            (&["public, max-age=60"], &["private, max-age=60"]),
            (&["Public", "S-MaxAge = 9"], &["private"]),
            (&["max-age=60"], &["private, max-age=60"]),
            (&["no-cache"], &["private, no-cache"]),
            (&["private, max-age=60"], &["private, max-age=60"]),
            (&["No-Store"], &["No-Store"]),
            (&["private, public"], &["private"]),
            (&["no-store, s-maxage=9"], &["private, no-store"]),
            // A cache may ignore this `no-store`.
            (
                &["must-understand, no-store"],
                &["private, must-understand, no-store"],
            ),
            // A `private` with an argument restricts only the fields that it names.
            (&["private=\"set-cookie\""], &["private"]),
            // A `private` inside quotes is not a directive.
            (
                &["no-cache=\"a, private, b\", max-age=1"],
                &["private, no-cache=\"a, private, b\", max-age=1"],
            ),
            (&["x=\"\\\", private\""], &["private, x=\"\\\", private\""]),
        ] {
            assert_eq!(applied(CacheControl::Private, before), after, "{before:?}");
        }
    }

    #[test]
    fn no_store_replaces_every_directive_that_allows_storing() {
        for (before, after) in [
            (&[][..], &["no-store"][..]),
            (&["private, max-age=60"], &["no-store"]),
            (&["public", "max-age=60"], &["no-store"]),
            (&["no-store, must-understand"], &["no-store"]),
            (&["private, no-store"], &["private, no-store"]),
        ] {
            assert_eq!(applied(CacheControl::NoStore, before), after, "{before:?}");
        }
    }

    #[test]
    fn fields_for_certain_shared_caches_are_removed() {
        for guard in [CacheControl::Private, CacheControl::NoStore] {
            for name in TARGETED {
                let mut headers = HeaderMap::new();
                headers.insert(name, HeaderValue::from_static("public, max-age=60"));
                headers.append(name, HeaderValue::from_static("max-age=60"));
                guard.apply(&mut headers);
                assert!(!headers.contains_key(name), "{name} with {guard:?}");
                assert!(headers.contains_key(CACHE_CONTROL));
            }
        }
    }

    #[test]
    fn unchanged_changes_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert("cdn-cache-control", HeaderValue::from_static("public"));
        let before = headers.clone();
        CacheControl::Unchanged.apply(&mut headers);
        assert_eq!(headers, before);
    }

    fn applied(guard: CacheControl, before: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in before {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        guard.apply(&mut headers);
        let lines = headers.get_all(CACHE_CONTROL).iter();
        lines
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    }

    /// The field that RFC 9213 defines, the fields of single vendors with the same ending, and the
    /// older fields of Akamai, Fastly, Varnish and nginx.
    const TARGETED: [&str; 8] = [
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "netlify-cdn-cache-control",
        "vercel-cdn-cache-control",
        "x-litespeed-cache-control",
        "edge-control",
        "surrogate-control",
        "x-accel-expires",
    ];
}
