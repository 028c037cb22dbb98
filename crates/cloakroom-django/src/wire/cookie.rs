//! The session cookie as Django 5.2.19 writes it with Python 3.11's `http.cookies`.

use std::time::SystemTime;

use super::date;

/// The attributes of the session cookie: Django's settings `SESSION_COOKIE_*`.
///
/// An empty text leaves the attribute out, as in Django. `same_site` is written unchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attributes<'a> {
    /// `SESSION_COOKIE_DOMAIN`.
    pub domain: Option<&'a str>,
    /// `SESSION_COOKIE_PATH`.
    pub path: &'a str,
    /// `SESSION_COOKIE_HTTPONLY`.
    pub http_only: bool,
    /// `SESSION_COOKIE_SECURE`.
    pub secure: bool,
    /// `SESSION_COOKIE_SAMESITE`; `None` for Django's `False`.
    pub same_site: Option<&'a str>,
}

/// Django's defaults.
impl Default for Attributes<'_> {
    fn default() -> Self {
        Self {
            domain: None,
            path: "/",
            http_only: true,
            secure: false,
            same_site: Some("Lax"),
        }
    }
}

/// How long the browser keeps a cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lifetime {
    /// The remaining lifetime of the session in whole seconds, rounded down.
    pub max_age_secs: i64,
    /// The time at which the session ends.
    pub expires: SystemTime,
}

/// The lifetime of a cookie that the browser removes at once.
pub(crate) const GONE: Lifetime = Lifetime {
    max_age_secs: 0,
    expires: SystemTime::UNIX_EPOCH,
};

/// Returns the `Set-Cookie` header that stores a session key in the browser. Without a lifetime,
/// the browser removes the cookie when it closes.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::cookie::{Attributes, set_cookie};
///
/// assert_eq!(
///     set_cookie("sessionid", "abcdefgh", None, &Attributes::default()),
///     "sessionid=abcdefgh; HttpOnly; Path=/; SameSite=Lax",
/// );
/// ```
pub fn set_cookie(
    name: &str,
    value: &str,
    lifetime: Option<Lifetime>,
    attributes: &Attributes<'_>,
) -> String {
    format_cookie(name, &quote(value), lifetime, attributes)
}

/// Returns the `Set-Cookie` header that removes the cookie from the browser.
///
/// Django leaves out `HttpOnly`. It writes `Secure` only where browsers would otherwise ignore the
/// header: for a name with the prefix `__Secure-` or `__Host-`, and with `SameSite=None`.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::cookie::{Attributes, delete_cookie};
///
/// assert_eq!(
///     delete_cookie("sessionid", &Attributes::default()),
///     "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax",
/// );
/// ```
pub fn delete_cookie(name: &str, attributes: &Attributes<'_>) -> String {
    let secure = ["__Secure-", "__Host-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || attributes
            .same_site
            .is_some_and(|text| text.eq_ignore_ascii_case("none"));
    let attributes = Attributes {
        http_only: false,
        secure,
        ..*attributes
    };
    format_cookie(name, "\"\"", Some(GONE), &attributes)
}

/// Returns a cookie value as Django writes it into the header: unchanged, or in quotes and escaped
/// if the value has special characters.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::cookie::quote;
///
/// assert_eq!(quote("abc:DEF"), "abc:DEF");
/// assert_eq!(quote("a;b"), r#""a\073b""#);
/// ```
pub fn quote(value: &str) -> String {
    if !value.is_empty() && value.chars().all(is_legal) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for char in value.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            char if is_legal(char) || UNESCAPED.contains(char) || char > '\u{ff}' => {
                text.push(char);
            }
            char => {
                text.push_str(&format!("\\{:03o}", u32::from(char)));
            }
        }
    }
    text.push('"');
    text
}

/// Returns the value that [`quote`] turned into `text`. Text without quotes is returned unchanged.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::cookie::unquote;
///
/// assert_eq!(unquote(r#""a\073b""#), "a;b");
/// ```
pub fn unquote(text: &str) -> String {
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(mut rest) = quoted else {
        return text.to_owned();
    };
    let mut value = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once('\\') {
        value.push_str(before);
        if let Some(char) = octal(after.as_bytes()) {
            value.push(char);
            rest = &after[3..];
        } else if let Some(char) = after.chars().next().filter(|&char| char != '\n') {
            value.push(char);
            rest = &after[char.len_utf8()..];
        } else {
            value.push('\\');
            rest = after;
        }
    }
    value.push_str(rest);
    value
}

fn format_cookie(
    name: &str,
    quoted: &str,
    lifetime: Option<Lifetime>,
    attributes: &Attributes<'_>,
) -> String {
    let mut text = format!("{name}={quoted}");
    write(&mut text, "Domain", attributes.domain.unwrap_or_default());
    if let Some(lifetime) = lifetime {
        write(&mut text, "expires", &date::http_date(lifetime.expires));
    }
    if attributes.http_only {
        text.push_str("; HttpOnly");
    }
    if let Some(lifetime) = lifetime {
        write(&mut text, "Max-Age", &lifetime.max_age_secs.to_string());
    }
    write(&mut text, "Path", attributes.path);
    write(
        &mut text,
        "SameSite",
        attributes.same_site.unwrap_or_default(),
    );
    if attributes.secure {
        text.push_str("; Secure");
    }
    text
}

fn write(text: &mut String, attribute: &str, value: &str) {
    if !value.is_empty() {
        text.extend(["; ", attribute, "=", value]);
    }
}

/// Parses a Latin-1 character from three octal digits, the first of which is at most 3.
fn octal(digits: &[u8]) -> Option<char> {
    let [
        first @ b'0'..=b'3',
        second @ b'0'..=b'7',
        third @ b'0'..=b'7',
        ..,
    ] = *digits
    else {
        return None;
    };
    Some(char::from(
        (first - b'0') << 6 | (second - b'0') << 3 | (third - b'0'),
    ))
}

fn is_legal(char: char) -> bool {
    char.is_ascii_alphanumeric() || LEGAL.contains(char)
}

/// The punctuation that needs no quotes.
const LEGAL: &str = "!#$%&'*+-.^_`|~:";
/// The characters that need quotes but no escape.
const UNESCAPED: &str = " ()/<=>?@[]{}";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_are_written_in_djangos_order() {
        let all = Attributes {
            domain: Some("example.com"),
            path: "/app/",
            http_only: true,
            secure: true,
            same_site: Some("lax"),
        };
        let lifetime = Lifetime {
            max_age_secs: 1_209_600,
            expires: SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_768_532_645_999),
        };
        assert_eq!(
            set_cookie("sid", "abcdefgh", Some(lifetime), &all),
            "sid=abcdefgh; Domain=example.com; expires=Fri, 16 Jan 2026 03:04:05 GMT; HttpOnly; \
             Max-Age=1209600; Path=/app/; SameSite=lax; Secure",
        );
        assert_eq!(
            delete_cookie("sid", &all),
            "sid=\"\"; Domain=example.com; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; \
             Path=/app/; SameSite=lax",
        );
        let bare = Attributes {
            domain: Some(""),
            path: "",
            http_only: false,
            secure: false,
            same_site: None,
        };
        assert_eq!(set_cookie("sid", "abcdefgh", None, &bare), "sid=abcdefgh");
    }

    #[test]
    fn a_removal_has_the_attribute_secure_where_browsers_require_it() {
        let secure = |name: &str, same_site| {
            let attributes = Attributes {
                secure: true,
                same_site,
                ..Attributes::default()
            };
            delete_cookie(name, &attributes).ends_with("; Secure")
        };
        assert!(secure("__Secure-sid", Some("Lax")));
        assert!(secure("__Host-sid", None));
        assert!(secure("sid", Some("None")));
        assert!(!secure("sid", Some("Strict")));
    }

    #[test]
    fn values_are_quoted_and_unquoted_as_in_python() {
        for (value, text) in [
            ("abc:DEF-_", "abc:DEF-_"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a;b,c", "\"a\\073b\\054c\""),
            ("\"\\", "\"\\\"\\\\\""),
            ("é", "\"\\351\""),
            ("ж", "\"ж\""),
        ] {
            assert_eq!(quote(value), text);
            assert_eq!(unquote(text), value);
        }
        for (text, value) in [
            ("\"", "\""),
            ("a\"b\"", "a\"b\""),
            ("\"\\400\"", "400"),
            ("\"\\", "\"\\"),
            ("\"a\\\"", "a\\"),
        ] {
            assert_eq!(unquote(text), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn unquoting_a_quoted_value_returns_the_value(value in ".*") {
            prop_assert_eq!(unquote(&quote(&value)), value);
        }

        #[test]
        fn unquoting_never_panics(text in r#""[\\0-9"a-zé]*""#) {
            let _ = unquote(&text);
        }
    }
}
