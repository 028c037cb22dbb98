//! The parameter `next`: the page to go to after a form. It must be a page of this site.

use http::Uri;

/// Returns `target` if it leads to a page of this site, whose scheme and host are `origin`.
///
/// The target must be a path, or a URL with the host of `origin` that does not change from https to
/// http. Browsers interpret backslashes, white space and control characters leniently, so a target
/// that contains any of them is refused.
pub(crate) fn safe<'a>(target: &'a str, origin: &str) -> Option<&'a str> {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    if target.is_empty() || !target.chars().all(is_plain) {
        return None;
    }
    let path = match target.strip_prefix('/') {
        Some(_) => target,
        None => after_origin(target, origin)?,
    };
    let leaves_site = path.starts_with("//");
    // True if the target only starts with the origin, as `http://site.example.evil` does.
    let continues_host = !path.is_empty() && !path.starts_with(['/', '?', '#']);
    (!leaves_site && !continues_host).then_some(target)
}

/// Returns the part of a URL after its origin. The origin must be `origin`, or the same host with
/// https.
fn after_origin<'a>(target: &'a str, origin: &str) -> Option<&'a str> {
    let (own_scheme, own_host) = origin.split_once("://")?;
    let (scheme, rest) = target.split_once("://")?;
    let is_scheme = [own_scheme, "https"]
        .iter()
        .any(|good| scheme.eq_ignore_ascii_case(good));
    let (host, rest) = rest.split_at_checked(own_host.len())?;
    (is_scheme && host.eq_ignore_ascii_case(own_host)).then_some(rest)
}

/// Returns the path and query of a request, as a value for `next`.
pub(crate) fn path_and_query(uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    path.to_owned()
}

/// Returns the path of the login page with `next` in its query.
pub(crate) fn login_path(next: &str) -> String {
    with_next("/accounts/login/", next)
}

/// Returns `path` with `next` in its query.
pub(crate) fn with_next(path: &str, next: &str) -> String {
    let mut url = format!("{path}?next=");
    // Slashes are allowed in a query and easier to read than `%2F`.
    let mut pieces = next.split('/').peekable();
    while let Some(piece) = pieces.next() {
        url.extend(form_urlencoded::byte_serialize(piece.as_bytes()));
        if pieces.peek().is_some() {
            url.push('/');
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "http://library.example";

    #[test]
    fn pages_of_this_site_are_safe() {
        for target in [
            "/",
            "/catalog/books/?page=2&x=//y",
            "/catalog/#a",
            "http://library.example",
            "http://library.example/catalog/",
            "HTTP://Library.Example/?q",
            "https://library.example/",
        ] {
            assert_eq!(safe(target, ORIGIN), Some(target));
        }
    }

    #[test]
    fn other_sites_and_malformed_targets_are_refused() {
        for target in [
            "",
            "catalog/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "http://evil.example/",
            "http://library.example.evil.example/",
            "http://library.example@evil.example/",
            "http://library.example:80@evil.example/",
            "http://library.example//evil.example",
            "https://library.example@evil.example/",
            "https:/library.example/",
            "ftp://library.example/",
            "http:evil.example",
            "http:///evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            " /catalog/",
            "\u{1}/catalog/",
            "/cata\nlog/",
            "/\t/evil.example",
            "/catalog/\r\nX: y",
            "é",
        ] {
            assert_eq!(safe(target, ORIGIN), None, "{target:?}");
        }
    }

    #[test]
    fn a_target_that_leads_from_https_to_http_is_refused() {
        let origin = "https://library.example";
        let safe = |target| safe(target, origin).is_some();
        assert!(safe("https://library.example/catalog/"));
        assert!(!safe("http://library.example/catalog/"));
    }

    #[test]
    fn the_parameter_next_is_encoded() {
        assert_eq!(
            login_path("/catalog/search/?q=a b&page=2"),
            "/accounts/login/?next=/catalog/search/%3Fq%3Da+b%26page%3D2"
        );
    }
}
