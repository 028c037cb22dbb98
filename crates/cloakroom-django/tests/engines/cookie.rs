use cloakroom::{Clock, Cookie, Sessions};
use cloakroom_django::Settings;
use cloakroom_django::wire::key::{is_accepted, is_file_safe};
use cloakroom_django::wire::signing::{SERVER_SALT, Signer};
use cloakroom_testkit::HandClock;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;

use crate::rows::Rows;
use crate::run;
use crate::vectors::each;

#[test]
fn the_cookie_header_is_read_as_in_django() {
    each("cookie_parse", |case| {
        let (header, name): (String, String) = (case.get("header"), case.get("name"));
        check(
            header.as_bytes(),
            &name,
            case.find::<String>("value").as_deref(),
        );
    });
}

#[test]
fn a_malformed_cookie_header_is_read_as_in_python() {
    check(b"sid=abcdefgh=i", "sid", Some("abcdefgh=i"));
    check(b"sid=abcdefg\xff", "sid", Some("abcdefg\u{fffd}"));
    check(b"abcdefgh; sid=abcdefgh;;", "sid", Some("abcdefgh"));
    check(b"abcdefgh", "sid", None);
    check(b";; ", "sid", None);
}

#[test]
fn keys_are_accepted_as_in_django() {
    each("session_key", |case| {
        let key: String = case.get("key");
        assert_eq!(is_accepted(&key), case.get::<bool>("accepted"));
        let file: bool = case.get("file_engine_characters_ok");
        assert_eq!(is_file_safe(&key), file);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn reading_a_cookie_header_never_panics(header in any::<Vec<u8>>()) {
        let (sessions, _) = site("sid", &[]);
        let header = [b"sid=", &*header].concat();
        if let Ok(header) = HeaderValue::from_bytes(&header) {
            let headers = HeaderMap::from_iter([(COOKIE, header)]);
            prop_assert!(run(sessions.begin(&headers).open()).is_ok());
        }
    }
}

/// Checks that the engine reads `value` from the cookie `name` in `header`, or finds no such cookie
/// if `value` is `None`.
///
/// First sends the header to a site without sessions: the response must remove the cookie if and
/// only if `value` is not `None`. Then, if `value` can be a key, sends the header to a site with a
/// row under this key: the engine must open the session in that row.
fn check(header: &[u8], name: &str, value: Option<&str>) {
    let (sessions, signed) = site(name, &[]);
    let header = HeaderValue::from_bytes(header).unwrap();
    let headers = HeaderMap::from_iter([(COOKIE, header)]);
    let handle = sessions.begin(&headers);
    let mut response = HeaderMap::new();
    run(async {
        handle.open().await.unwrap();
        let effects = sessions.finish(&handle, StatusCode::OK).await.unwrap();
        effects.apply(&mut response);
    });
    assert_eq!(response.contains_key(SET_COOKIE), value.is_some());

    let Some(key) = value.filter(|value| is_accepted(value)) else {
        return;
    };
    let (sessions, _) = site(name, &[(key, &signed)]);
    let session = run(sessions.begin(&headers).open()).unwrap();
    assert_eq!(session.get("n").unwrap(), Some(7));
    assert_eq!(session.key().unwrap().reveal(), key);
}

/// A former cookie is one from before a change of the site's cookie settings. In Django's formats,
/// the session key is also the store key, so the session is still in the same row after such a
/// change. Of several cookies with one name, the last one counts, as in Django. A cookie with a
/// former name counts only if the request has no cookie with the new name.
#[test]
fn a_former_cookie_opens_its_row_and_a_save_removes_the_cookie() {
    let (one, other) = ("a".repeat(32), "b".repeat(32));
    let old = || {
        Cookie::new("sessionid")
            .plain_http()
            .domain("library.example")
    };
    let changes = [
        Cookie::new("sessionid").plain_http(),
        Cookie::new("library_sid").plain_http(),
        Cookie::new("library_sid").plain_http().namespace("library"),
    ];
    for new in changes {
        let (_, signed) = site("sessionid", &[]);
        let table = Rows::table();
        let clock = HandClock::new();
        for key in [&one, &other] {
            let expires = clock.now() + std::time::Duration::from_secs(60);
            table.put(key, signed.clone(), expires);
        }
        let settings = Settings::new("a secret").unwrap();
        let sessions = settings.sessions(settings.db(table)).clock(clock);
        let sessions = sessions
            .cookie(new.clone().formerly(old()))
            .build()
            .unwrap();
        let name = new.name();

        for (sent, key) in [
            (format!("sessionid={one}"), &one),
            (format!("sessionid={other}; sessionid={one}"), &one),
            (format!("{name}={other}; {name}={one}"), &one),
            (format!("{name}={one}; sessionid=short"), &one),
        ] {
            if name == "sessionid" && sent.ends_with("short") {
                // Both cookies have the same name, so the last one counts. Its value is too short
                // for a key.
                continue;
            }
            let headers = HeaderMap::from_iter([(COOKIE, sent.parse().unwrap())]);
            let handle = sessions.begin(&headers);
            let effects = run(async {
                let session = handle.open().await.unwrap();
                assert_eq!(session.key().unwrap().reveal(), key, "{sent}");
                session.set("n", 8).unwrap();
                sessions.finish(&handle, StatusCode::OK).await.unwrap()
            });
            let lines: Vec<_> = effects
                .set_cookies()
                .map(|line| line.to_str().unwrap())
                .collect();
            let removes = |line: &&str| line.contains("Max-Age=0") && line.contains("Domain=");
            let set = lines.last().unwrap();
            assert!(set.starts_with(&format!("{name}={key}")), "{lines:?}");
            let removed = lines.iter().copied().filter(removes).count();
            assert_eq!(
                removed,
                usize::from(sent.contains("sessionid")),
                "{lines:?}"
            );
            assert_eq!(lines.len(), 1 + removed);
        }
    }
}

/// Returns a site with this cookie name and these rows, and the text of a valid row.
fn site(name: &str, rows: &[(&str, &str)]) -> (Sessions, String) {
    let (clock, table) = (HandClock::new(), Rows::table());
    for (key, text) in rows {
        let expires = clock.now() + std::time::Duration::from_secs(60);
        table.put(key, text.to_string(), expires);
    }
    let settings = Settings::new("a secret").unwrap().session_cookie_name(name);
    let sessions = settings.sessions(settings.db(table)).clock(clock);
    let signed = Signer::new("a secret", SERVER_SALT).dumps(b"{\"n\":7}", 0);
    (sessions.build().unwrap(), signed)
}
