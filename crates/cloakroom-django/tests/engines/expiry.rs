use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cloakroom::Expiry;
use cloakroom::session::{Items, Value};
use cloakroom_django::wire::date::{expire_date, parse_expire_date, parse_iso};
use cloakroom_django::wire::expiry::{NAME, Stored, put};
use cloakroom_django::wire::json;
use cloakroom_django::wire::signing::{SERVER_SALT, Signer};

use crate::vectors::{Case, Ordered, each, spelled, state};

#[test]
fn expiry_means_what_it_means_to_django() {
    each("expiry", |case| {
        let mut session = case.state("session");
        if case.has("set_expiry") {
            set_expiry(&mut session, case.find("set_expiry"), case.time("now"));
        }
        let expect: BTreeMap<String, Ordered> = case.get("expect");
        assert_eq!(spelled(&session), spelled(&state(&expect["session_after"])));

        let now = match case.find::<String>("modification") {
            Some(text) => parse_iso(&text).unwrap(),
            None => case.time("now"),
        };
        let cookie_age = setting(case, "SESSION_COOKIE_AGE", 1_209_600);
        let stored = Stored::of(&session);
        let raises = |field: &str| matches!(expect[field], Ordered::Object(_));
        if raises("expiry_age") || raises("expiry_date") {
            assert!(stored.is_err(), "Django fails on it");
            return;
        }
        let stored = stored.unwrap();
        let Ordered::Number(age) = &expect["expiry_age"] else {
            panic!("an age is a number")
        };
        assert_eq!(stored.age(now, cookie_age), age.as_f64().unwrap());
        let Ordered::Text(date) = &expect["expiry_date"] else {
            panic!("a date is text")
        };
        assert_eq!(stored.date(now, cookie_age), parse_iso(date).unwrap());
        let browser_close = setting(case, "SESSION_EXPIRE_AT_BROWSER_CLOSE", false);
        assert_eq!(
            Ordered::Bool(stored.at_browser_close(browser_close)),
            expect["expire_at_browser_close"],
        );
    });
}

#[test]
fn a_date_in_sqlite_has_djangos_form_to_the_letter() {
    each("sqlite_expire_date", |case| {
        let at = parse_iso(&case.get::<String>("instant")).unwrap();
        let text: String = case.get("text");
        assert_eq!(expire_date(at), text);
        assert_eq!(parse_expire_date(&text), Some(at));
    });
}

#[test]
fn a_row_lives_as_long_as_sqlite_says_by_comparing_text() {
    each("sqlite_row", |case| {
        let (expires, now): (String, _) = (case.get("expire_text"), expire_date(case.time("now")));
        let signer = Signer::new(case.get::<String>("secret"), SERVER_SALT);

        let loaded = if expires > now {
            let data: String = case.get("session_data");
            json::read(&signer.loads(data.as_bytes()).unwrap().json).unwrap()
        } else {
            Items::new()
        };

        assert_eq!(spelled(&loaded), spelled(&case.state("loaded")));
        assert_eq!(
            expires >= now,
            case.get::<bool>("row_left_after_clear_expired")
        );
    });
}

/// Django's `set_expiry`. What Cloakroom's does not know, a negative time and an offset, is stored as Django would store it.
fn set_expiry(session: &mut Items, value: Option<Ordered>, now: SystemTime) {
    let expiry = match value {
        None => Expiry::Policy,
        Some(Ordered::Number(secs)) => match secs.as_f64().unwrap() {
            0.0 => Expiry::BrowserClose,
            more if more > 0.0 => Expiry::Idle(Duration::from_secs_f64(more)),
            _ => {
                session.set(NAME.into(), Value::of(&secs).unwrap());
                return;
            }
        },
        Some(Ordered::Object(tagged)) => match &tagged[0] {
            (tag, Ordered::Number(secs)) if tag == "timedelta" => {
                let secs = secs.as_f64().unwrap();
                let by = Duration::from_secs_f64(secs.abs());
                Expiry::At(if secs < 0.0 { now - by } else { now + by })
            }
            (tag, Ordered::Text(iso)) if tag == "datetime" && iso.ends_with("+00:00") => {
                Expiry::At(parse_iso(iso).unwrap())
            }
            (tag, Ordered::Text(iso)) if tag == "datetime" => {
                session.set(NAME.into(), Value::of(iso).unwrap());
                return;
            }
            (tag, _) => panic!("a new kind of expiry: {tag}"),
        },
        Some(other) => panic!("a new kind of expiry: {other:?}"),
    };
    put(session, expiry).unwrap();
}

fn setting<T: serde::de::DeserializeOwned>(case: &Case, name: &str, default: T) -> T {
    let mut settings: BTreeMap<String, serde_json::Value> = case.get("settings");
    settings
        .remove(name)
        .map_or(default, |value| serde_json::from_value(value).unwrap())
}
