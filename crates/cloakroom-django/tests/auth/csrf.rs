use std::time::{Duration, UNIX_EPOCH};

use cloakroom_django::auth::csrf::{Csrf, FIELD, HEADER, Incoming, Refusal, Secret};
use http::{HeaderMap, HeaderName, Method};

const HOST: &str = "library.example";

#[test]
fn safe_methods_need_no_token() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        assert_eq!(
            Csrf::new().check(&request(&method, &HeaderMap::new()), None),
            Ok(())
        );
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(
            Csrf::new().check(&request(&method, &HeaderMap::new()), None),
            Err(Refusal::NoSecret),
        );
    }
}

#[test]
fn an_origin_must_be_the_sites_own_or_trusted() {
    let csrf = Csrf::new()
        .trusted_origin("https://partner.example")
        .unwrap()
        .trusted_origin("https://*.shop.example:8443")
        .unwrap();
    for (https, origin, is_accepted) in [
        (true, "https://library.example", true),
        (false, "http://library.example", true),
        (true, "http://library.example", false),
        (false, "https://library.example", false),
        (true, "https://library.example:443", false),
        (true, "https://library.example.evil.example", false),
        (true, "https://user@library.example", false),
        (true, "https://evil.example", false),
        (true, "null", false),
        (true, "", false),
        (true, "library.example", false),
        (true, "https://partner.example", true),
        (true, "http://partner.example", false),
        (true, "https://sub.partner.example", false),
        (true, "https://shop.example:8443", true),
        (true, "https://a.b.shop.example:8443", true),
        (true, "https://a.shop.example", false),
        (true, "https://evilshop.example:8443", false),
    ] {
        let headers = headers(&[("origin", origin)]);
        let answer = csrf.check(
            &Incoming {
                https,
                ..request(&Method::POST, &headers)
            },
            None,
        );
        // An accepted origin leads to the next check, which finds no secret.
        let expected = match is_accepted {
            true => Refusal::NoSecret,
            false => Refusal::BadOrigin,
        };
        assert_eq!(answer, Err(expected), "{origin}, https: {https}");
    }
}

#[test]
fn all_of_several_origins_must_be_accepted() {
    let headers = headers(&[
        ("origin", "http://library.example"),
        ("origin", "https://evil.example"),
    ]);
    assert_eq!(
        Csrf::new().check(&request(&Method::POST, &headers), None),
        Err(Refusal::BadOrigin),
    );
}

#[test]
fn over_https_without_an_origin_the_referer_decides() {
    let csrf = Csrf::new()
        .trusted_origin("https://*.shop.example")
        .unwrap();
    // An accepted referer leads to the next check, which finds no secret.
    for (referer, refusal) in [
        (None, Refusal::NoReferer),
        (Some(""), Refusal::MalformedReferer),
        (Some("/catalog/"), Refusal::MalformedReferer),
        (Some("library.example"), Refusal::MalformedReferer),
        (Some("https://"), Refusal::MalformedReferer),
        (
            Some("http://library.example/catalog/"),
            Refusal::InsecureReferer,
        ),
        (
            Some("https://evil.example/?https://library.example/"),
            Refusal::BadReferer,
        ),
        (
            Some("https://library.example@evil.example/"),
            Refusal::BadReferer,
        ),
        (Some("https://library.example:8443/"), Refusal::BadReferer),
        (Some("https://sub.library.example/"), Refusal::BadReferer),
        (
            Some("https://library.example/catalog/?page=2"),
            Refusal::NoSecret,
        ),
        (Some("https://library.example"), Refusal::NoSecret),
        (Some("https://a.shop.example/x"), Refusal::NoSecret),
    ] {
        let headers = match referer {
            Some(referer) => headers(&[("referer", referer)]),
            None => HeaderMap::new(),
        };
        let over_https = Incoming {
            https: true,
            ..request(&Method::POST, &headers)
        };
        assert_eq!(csrf.check(&over_https, None), Err(refusal), "{referer:?}");
        assert_eq!(
            csrf.check(&request(&Method::POST, &headers), None),
            Err(Refusal::NoSecret),
            "over plain http, the referer is not checked",
        );
    }
}

#[test]
fn pages_of_the_cookie_domain_count_as_the_sites_own() {
    let csrf = Csrf::new().cookie_domain(".example.com").unwrap();
    for (host, referer, refusal) in [
        ("a.example.com", "https://b.example.com/", Refusal::NoSecret),
        ("a.example.com", "https://example.com/", Refusal::NoSecret),
        (
            "a.example.com",
            "https://evilexample.com/",
            Refusal::BadReferer,
        ),
        (
            "a.example.com:8443",
            "https://b.example.com:8443/",
            Refusal::NoSecret,
        ),
        (
            "a.example.com:8443",
            "https://b.example.com/",
            Refusal::BadReferer,
        ),
    ] {
        let headers = headers(&[("referer", referer)]);
        let request = Incoming {
            https: true,
            host,
            ..request(&Method::POST, &headers)
        };
        assert_eq!(
            csrf.check(&request, None),
            Err(refusal),
            "{host} from {referer}"
        );
    }
}

#[test]
fn a_token_is_read_from_the_form_of_a_post_or_else_from_the_header() {
    let csrf = Csrf::new();
    let secret = Secret::random().unwrap();
    let good = secret.mask().unwrap();
    let other = Secret::random().unwrap().mask().unwrap();
    let put = Method::PUT;
    let post = Method::POST;
    for (method, form, header, answer) in [
        (&post, Some(&*good), None, Ok(())),
        (&post, Some(secret.reveal()), None, Ok(())),
        (&post, None, Some(&*good), Ok(())),
        (&post, Some(""), Some(&*good), Ok(())),
        (&put, None, Some(&*good), Ok(())),
        (&put, Some(&*good), None, Err(Refusal::NoToken)),
        (&post, None, None, Err(Refusal::NoToken)),
        (&post, Some(&*other), Some(&*good), Err(Refusal::WrongToken)),
        (&post, Some(&*other), None, Err(Refusal::WrongToken)),
        (&post, Some("short"), None, Err(Refusal::TokenLength)),
        (
            &post,
            Some(&"é".repeat(32)),
            None,
            Err(Refusal::TokenCharacters),
        ),
    ] {
        let headers = match header {
            Some(header) => headers(&[(HEADER, header)]),
            None => HeaderMap::new(),
        };
        let request = Incoming {
            form_token: form,
            ..request(method, &headers)
        };
        assert_eq!(csrf.check(&request, Some(&secret)), answer);
    }
    assert_eq!(FIELD, "csrfmiddlewaretoken");
}

#[test]
fn the_csrf_cookie_is_found_unless_several_have_different_values() {
    let secret = Secret::parse(&"Q".repeat(32)).unwrap();
    let (bare, other) = (secret.reveal(), "R".repeat(32));
    let masked = secret.mask().unwrap();
    for (lines, is_there) in [
        (vec![format!("csrftoken={bare}")], true),
        (vec![format!("a=b; csrftoken={bare}; c=d")], true),
        (vec!["a=b".to_owned(), format!("csrftoken={bare}")], true),
        (vec![format!("csrftoken={bare}; csrftoken={bare}")], true),
        (vec![format!("csrftoken={masked}")], true),
        (vec![format!("csrftoken={bare}; csrftoken={other}")], false),
        (
            vec![format!("csrftoken={bare}"), format!("csrftoken={other}")],
            false,
        ),
        (vec![format!("xcsrftoken={bare}")], false),
        (vec![format!("csrftokenx={bare}")], false),
        (vec![format!("csrftoken={bare}x")], false),
        (vec!["csrftoken=".to_owned()], false),
        (vec!["csrftoken".to_owned()], false),
        (vec![], false),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("cookie", &**line)).collect();
        let found = Csrf::new().secret(&headers(&lines));
        let found = found.as_ref().map(Secret::reveal);
        assert_eq!(found, is_there.then_some(bare), "{lines:?}");
    }
}

#[test]
fn the_cookie_is_written_as_in_django() {
    let secret = Secret::parse(&"Q".repeat(32)).unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(1_768_694_400);
    assert_eq!(
        Csrf::new().set_cookie(&secret, now),
        "csrftoken=QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ; expires=Sun, 17 Jan 2027 00:00:00 GMT; \
         Max-Age=31449600; Path=/; SameSite=Lax",
    );
    let csrf = Csrf::new()
        .cookie_name("__Secure-csrf")
        .unwrap()
        .cookie_domain("example.com")
        .unwrap()
        .secure(true);
    assert_eq!(
        csrf.set_cookie(&secret, now),
        "__Secure-csrf=QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ; Domain=example.com; \
         expires=Sun, 17 Jan 2027 00:00:00 GMT; Max-Age=31449600; Path=/; SameSite=Lax; Secure",
    );
}

#[test]
fn an_invalid_cookie_name_domain_or_origin_is_refused() {
    for name in ["", "a b", "a=b", "a;b", "é"] {
        assert!(Csrf::new().cookie_name(name).is_err(), "{name}");
    }
    for domain in ["", "a b", "a;b", "a/b"] {
        assert!(Csrf::new().cookie_domain(domain).is_err(), "{domain}");
    }
    for origin in [
        "",
        "example.com",
        "https://",
        "https://*",
        "https://*.",
        "https://a.*.example",
        "https://example.com/",
        "ftp://example.com",
    ] {
        assert!(Csrf::new().trusted_origin(origin).is_err(), "{origin}");
    }
}

fn request<'a>(method: &'a Method, headers: &'a HeaderMap) -> Incoming<'a> {
    Incoming {
        method,
        headers,
        https: false,
        host: HOST,
        form_token: None,
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}
