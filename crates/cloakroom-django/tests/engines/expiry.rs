use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::session::Items;
use cloakroom::store::millis;
use cloakroom::{Clock, Expiry, Session, SessionKey};
use cloakroom_django::Settings;
use cloakroom_django::wire::date::{expire_date, iso, parse_expire_date, parse_iso};
use cloakroom_django::wire::expiry::{ExpiryItem, NAME};
use cloakroom_sqlite::DjangoTable;
use cloakroom_testkit::HandClock;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use rusqlite::Connection;

use crate::rows::Rows;
use crate::run;
use crate::vectors::{Case, Ordered, each, items_of, to_json};

#[test]
fn expiry_means_the_same_as_in_django() {
    each("expiry", |case| {
        let clock = HandClock::new();
        clock.set(case.time("now"));
        let browser_close = setting(case, "SESSION_EXPIRE_AT_BROWSER_CLOSE", false);
        let cookie_age = setting(case, "SESSION_COOKIE_AGE", 1_209_600);
        let settings = Settings::new("a secret")
            .unwrap()
            .session_cookie_age(Duration::from_secs(cookie_age))
            .session_expire_at_browser_close(browser_close);
        let sessions = settings.sessions(settings.db(Rows::table()));
        let sessions = sessions.clock(clock.clone()).build().unwrap();
        let session = sessions.new_session();
        for (name, value) in case.items("session").iter() {
            session.set_value(name.to_string(), value.clone()).unwrap();
        }

        if case.has("set_expiry") {
            set_expiry(&session, case.find("set_expiry"), case.time("now"));
        }

        let expect: BTreeMap<String, Ordered> = case.get("expect");
        let items = items(&session);
        assert_eq!(
            to_json(&items),
            to_json(&items_of(&expect["session_after"]))
        );
        if let Some(text) = case.find::<String>("modification") {
            clock.set(parse_iso(&text).unwrap());
        }
        // In `expect`, an object names the exception that Django raises.
        let raises = |field: &str| matches!(expect[field], Ordered::Object(_));
        if raises("expiry_age") || raises("expiry_date") {
            assert!(
                ExpiryItem::of(&items).is_err(),
                "an item that Django cannot read is an error"
            );
            assert_eq!(session.expiry(), Expiry::Policy);
            return;
        }
        let Ordered::Number(age) = &expect["expiry_age"] else {
            panic!("the age is not a number")
        };
        let age = age.as_f64().unwrap();
        // Compare whole seconds, because Django rounds the age down if the expiry is an instant. In
        // Cloakroom, an age is never negative.
        let whole_secs = session.expiry_age().as_secs() as f64;
        assert_eq!(whole_secs, age.floor().max(0.0));
        let Ordered::Text(date) = &expect["expiry_date"] else {
            panic!("the date is not text")
        };
        let date = parse_iso(date).unwrap();
        match age < 0.0 {
            true => assert!(session.expiry_date() <= clock.now()),
            false => assert_eq!(millis(session.expiry_date()), millis(date)),
        }
        assert_eq!(
            Ordered::Bool(session.expires_at_browser_close()),
            expect["expire_at_browser_close"],
        );
    });
}

#[test]
fn max_age_is_the_number_of_whole_seconds_until_the_instant() {
    let clock = HandClock::new();
    let settings = Settings::new("a secret").unwrap();
    let sessions = settings.sessions(settings.db(Rows::table()));
    let sessions = sessions.clock(clock.clone()).build().unwrap();
    for (now_millis, max_age) in [(90_000, 10), (90_001, 9), (99_000, 1), (99_001, 0)] {
        clock.set(UNIX_EPOCH + Duration::from_millis(now_millis));
        let handle = sessions.begin(&HeaderMap::new());
        let mut response = HeaderMap::new();
        run(async {
            let session = handle.open().await.unwrap();
            session.set("n", 1).unwrap();
            let at = UNIX_EPOCH + Duration::from_secs(100);
            session.set_expiry(Expiry::At(at)).unwrap();
            let effects = sessions.finish(&handle, StatusCode::OK).await.unwrap();
            effects.apply(&mut response);
        });

        let cookie = response[SET_COOKIE].to_str().unwrap();
        let max_age = format!("; Max-Age={max_age};");
        assert!(cookie.contains(&max_age), "{now_millis}: {cookie}");
    }
}

#[test]
fn every_number_of_seconds_gives_a_valid_date() {
    let clock = HandClock::new();
    let settings = Settings::new("a secret").unwrap();
    let sessions = settings.sessions(settings.db(Rows::table()));
    let sessions = sessions.clock(clock.clone()).build().unwrap();
    for secs in [1e18, 1e300, -1e300] {
        let session = sessions.new_session();

        session.set(NAME, secs).unwrap();

        match secs > 0.0 {
            true => assert!(iso(session.expiry_date()).starts_with("9999-12-31")),
            false => assert!(session.expiry_date() <= clock.now()),
        }
    }
}

#[test]
fn a_date_in_sqlite_has_exactly_the_form_of_django() {
    each("sqlite_expire_date", |case| {
        let at = parse_iso(&case.get::<String>("instant")).unwrap();
        let text: String = case.get("text");
        assert_eq!(expire_date(at), text);
        assert_eq!(parse_expire_date(&text), Some(at));
    });
}

#[test]
fn a_row_in_sqlite_is_loaded_and_swept_as_in_django() {
    each("sqlite_row", |case| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite3");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(TABLE).unwrap();
        let data: String = case.get("session_data");
        let expires: String = case.get("expire_text");
        let row = "INSERT INTO django_session VALUES (?1, ?2, ?3)";
        db.execute(row, (KEY, data, &expires)).unwrap();
        let clock = HandClock::new();
        clock.set(case.time("now"));
        let settings = Settings::new(case.get::<String>("secret")).unwrap();
        let table = DjangoTable::builder(path).open().unwrap();
        let sessions = settings.sessions(settings.db(table));
        let sessions = sessions.clock(clock.clone()).build().unwrap();

        let found = run(sessions.open(&SessionKey::new(KEY))).unwrap();

        let loaded = found.as_ref().map(items).unwrap_or_default();
        let is_over = parse_expire_date(&expires).unwrap() <= clock.now();
        match is_over {
            // SQLite compares dates as text, so Django loads an expired row if another program
            // wrote the date in another form. Cloakroom compares the instants.
            true => assert!(loaded.is_empty()),
            false => assert_eq!(to_json(&loaded), to_json(&case.items("loaded"))),
        }
        run(sessions.sweep(10)).unwrap();
        let left: bool = db
            .query_row("SELECT count(*) > 0 FROM django_session", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(left, case.get::<bool>("row_left_after_clear_expired"));
    });
}

/// Sets the expiry as Django's `set_expiry` does. Cloakroom's `set_expiry` takes neither a negative
/// number nor a date with an offset from UTC, so these values are written to the item, in the form
/// in which Django stores them.
fn set_expiry(session: &Session, value: Option<Ordered>, now: SystemTime) {
    let expiry = match value {
        None => Expiry::Policy,
        Some(Ordered::Number(secs)) => match secs.as_f64().unwrap() {
            0.0 => Expiry::BrowserClose,
            more if more > 0.0 => Expiry::Idle(Duration::from_secs_f64(more)),
            _ => {
                session.set(NAME, secs).unwrap();
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
                session.set(NAME, iso).unwrap();
                return;
            }
            (tag, _) => panic!("an unknown kind of expiry: {tag}"),
        },
        Some(other) => panic!("an unknown kind of expiry: {other:?}"),
    };
    session.set_expiry(expiry).unwrap();
}

fn setting<T: serde::de::DeserializeOwned>(case: &Case, name: &str, default: T) -> T {
    let mut settings: BTreeMap<String, serde_json::Value> = case.get("settings");
    settings
        .remove(name)
        .map_or(default, |value| serde_json::from_value(value).unwrap())
}

fn items(session: &Session) -> Items {
    let mut items = Items::new();
    for (name, value) in session.iter() {
        items.set(name.into(), value);
    }
    items
}

const KEY: &str = "abcdefghijklmnopqrstuvwxyz012345";

/// The table that Django's migrations create.
const TABLE: &str = "CREATE TABLE django_session (
    session_key varchar(40) NOT NULL PRIMARY KEY,
    session_data text NOT NULL,
    expire_date datetime NOT NULL
)";
