use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cloakroom::session::Items;
use cloakroom::{ErrorKind, Expiry, SameSite, Session, SessionKey, Sessions, SessionsBuilder};
use cloakroom_django::Settings;
use cloakroom_django::wire::date::parse_iso;
use cloakroom_django::wire::signing::{SERVER_SALT, Signer};
use cloakroom_django::wire::{json, pickle};
use cloakroom_testkit::HandClock;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tempfile::TempDir;

use crate::rows::Rows;
use crate::run;
use crate::vectors::{Case, Ordered, each, items_of, to_json};

/// The cases in which this crate intentionally differs from Django, by name, with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "last write wins (lost update)",
        "an answered edit is a saved edit: the edits of both requests are kept",
    ),
    (
        "signed: tampered cookie is replaced by a signed empty dict, not deleted",
        "a visitor without a session gets no cookie: the old cookie is removed",
    ),
    (
        "signed: expired",
        "a visitor without a session gets no cookie: the old cookie is removed",
    ),
];

#[test]
fn requests_are_answered_as_by_djangos_middleware() {
    each("middleware", |case| {
        let name: String = case.get("name");
        let difference = DIFFERENT.iter().find(|(other, _)| *other == name);
        if let Some((_, why)) = difference {
            println!("{name}: {why}");
            return;
        }
        let engine: String = case.get("engine");
        let copies = match engine.as_str() {
            // Once with a copy of the row in the cache, and once without.
            "cached_db" => &[true, false][..],
            _ => &[false],
        };
        for &copied in copies {
            let site = Site::new(case, &engine, copied);
            run(site.check(case));
        }
    });
}

#[test]
fn files_are_named_and_written_as_in_django() {
    each("file_store", |case| {
        let site = Site::new(case, "file", false);
        site.clock.set(case.time("timestamp"));
        run(async {
            let session = site.sessions.new_session();
            let value: Ordered = case.get("value");
            let Ordered::Object(items) = &value else {
                panic!("the session is not an object")
            };
            for (name, value) in items {
                session.set(name, value.clone()).unwrap();
            }
            if items.is_empty() {
                // A session without items is never created. Create the session with an item, then
                // remove the item.
                session.set("gone", 1).unwrap();
                session.save().await.unwrap();
                session.discard("gone").unwrap();
            }
            session.save().await.unwrap();

            let key = session.key().unwrap();
            let name = case
                .get::<String>("filename")
                .replace(&case.get::<String>("session_key"), key.reveal());
            let path = site.folder.path().join(&name);
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &std::fs::metadata(&path).unwrap().permissions(),
            );
            assert_eq!(format!("{:#o}", mode & 0o777), case.get::<String>("mode"));
            let content = std::fs::read_to_string(&path).unwrap();
            match case.get::<bool>("byte_exact") {
                true => assert_eq!(content, case.get::<String>("content")),
                false => assert_eq!(site.read(&content), case.items("value").into()),
            }
            assert_eq!(
                site.keys_on_disk(),
                [key.reveal()],
                "there is no other file"
            );
        });
    });
}

#[test]
fn files_are_read_as_in_django() {
    each("file_load", |case| {
        let site = Site::new(case, "file", false);
        let key: String = case.get("key");
        let path = site.folder.path().join(format!("sessionid{key}"));
        std::fs::write(&path, case.get::<String>("content")).unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(case.time("mtime")).unwrap();

        let expect: LoadExpected = case.get("expect");
        run(async {
            let handle = site.begin(&format!("sessionid={key}"));
            let session = handle.open().await.unwrap();
            assert_eq!(items(&session), Same(to_json(&items_of(&expect.data))));
            let of_session = session.key().map(|key| key.reveal().to_owned());
            if expect.session_key.as_deref() == Some("{NEW_KEY_1}") {
                // Django creates a new file with an empty session. Cloakroom creates no empty
                // session.
                assert_eq!(of_session, None);
                assert!(site.keys_on_disk().is_empty());
                return;
            }
            assert_eq!(of_session, expect.session_key);
            assert_eq!(session.is_modified(), expect.modified);
            assert_eq!(site.keys_on_disk(), expect.keys_on_disk);
        });
    });
}

#[derive(Deserialize)]
struct LoadExpected {
    data: Ordered,
    session_key: Option<String>,
    modified: bool,
    keys_on_disk: Vec<String>,
}

#[derive(Deserialize)]
struct Expected {
    results: Vec<Ordered>,
    exception: Option<String>,
    set_cookie: Vec<String>,
    vary: Option<String>,
    session_key: Option<String>,
    store: Option<BTreeMap<String, ExpectedEntry>>,
}

#[derive(Deserialize)]
struct ExpectedEntry {
    data: Ordered,
    expire_date: Option<String>,
    ttl: Option<i64>,
}

#[derive(Deserialize)]
struct Seed {
    key: String,
    data: Option<Ordered>,
    raw: Option<String>,
    expire_date: Option<f64>,
    mtime: Option<f64>,
}

/// A site with one engine, its stores, and the time of the case.
struct Site {
    engine: String,
    signer: Signer,
    table: Rows,
    cache: Rows,
    folder: TempDir,
    clock: HandClock,
    sessions: Sessions,
}

impl Site {
    fn new(case: &Case, engine: &str, copied: bool) -> Self {
        let clock = HandClock::new();
        if case.has("now") {
            clock.set(case.time("now"));
        }
        let secret: String = case.get("secret");
        let (table, cache) = (Rows::table(), Rows::cache());
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(case, &secret);
        let backend = match engine {
            "db" => settings.db(table.clone()),
            "cache" => settings.cache(cache.clone()),
            "cached_db" => settings.cached_db(cache.clone(), table.clone()),
            "file" => cloakroom_file::django::open(&settings, folder.path()).unwrap(),
            "signed_cookies" => settings.signed_cookies(),
            other => panic!("no engine {other}"),
        };
        let sessions: SessionsBuilder = settings.sessions(backend).clock(clock.clone());
        let site = Self {
            engine: engine.to_owned(),
            signer: Signer::new(&secret, SERVER_SALT),
            table,
            cache,
            folder,
            clock,
            sessions: sessions.build().unwrap(),
        };
        for seed in case.find::<Vec<Seed>>("store").unwrap_or_default() {
            site.seed(case, &seed, copied);
        }
        site
    }

    fn seed(&self, case: &Case, seed: &Seed, copied: bool) {
        let now = case.time("now");
        let age = Duration::from_secs(1_209_600);
        let data = seed.data.as_ref().map(items_of).unwrap_or_default();
        let text = seed.raw.clone().unwrap_or_else(|| {
            let secs = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let json = json::write(&data).unwrap();
            self.signer.dumps(json.as_bytes(), secs.as_secs() as i64)
        });
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(secs);
        match self.engine.as_str() {
            "db" | "cached_db" => {
                let expires = seed.expire_date.map_or(now + age, at);
                self.table.put(&seed.key, text, expires);
                if copied && expires > now {
                    let copy = pickle::write(&data).unwrap();
                    self.cache.put(&seed.key, copy, now + age);
                }
            }
            "cache" => {
                let pickled = pickle::write(&data).unwrap();

                self.cache.put(&seed.key, pickled, now + age);
            }
            "file" => {
                let path = self.folder.path().join(format!("sessionid{}", seed.key));
                std::fs::write(&path, text).unwrap();
                let file = std::fs::File::options().append(true).open(&path).unwrap();
                file.set_modified(seed.mtime.map_or(now, at)).unwrap();
            }
            _ => {}
        }
    }

    fn begin(&self, cookie: &str) -> cloakroom::SessionHandle {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        self.sessions.begin(&headers)
    }

    async fn check(&self, case: &Case) {
        let expect: Expected = case.get("expect");
        let before = self.keys();
        let handle = match case.find::<String>("cookie") {
            Some(cookie) => self.begin(&cookie),
            None => self.sessions.begin(&HeaderMap::new()),
        };
        let actions: Vec<Vec<Ordered>> = case.find("actions").unwrap_or_default();
        let mut results = Vec::new();
        for action in &actions {
            let session = handle.open().await.unwrap();
            results.push(self.act(&session, action).await);
        }
        let status = case.find("status").unwrap_or(200);
        let status = StatusCode::from_u16(status).unwrap();
        let mut response = HeaderMap::new();
        if let Some(vary) = case.find::<String>("vary") {
            response.insert(header::VARY, HeaderValue::from_str(&vary).unwrap());
        }
        let finished = self.sessions.finish(&handle, status).await;

        assert_eq!(results, expect.results);
        match (&expect.exception, finished) {
            (None, Ok(effects)) => {
                effects.apply(&mut response);
                let vary = response.get(header::VARY);
                let vary = vary.map(|vary| vary.to_str().unwrap().to_owned());
                assert_eq!(vary, expect.vary);
            }
            (Some(exception), Err(error)) => {
                assert_eq!(exception, "SessionInterrupted");
                assert_eq!(error.kind(), ErrorKind::Interrupted);
                assert_eq!(error.kind().status(), StatusCode::BAD_REQUEST);
                handle.acknowledged().apply(&mut response);
            }
            (expected, finished) => panic!("expected {expected:?}, got {finished:?}"),
        }
        let key = handle.opened().and_then(|session| session.key());
        let insert_key = self.insert_key(&expect, key.as_ref(), &before);
        let set_cookies: Vec<&str> = response
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap())
            .collect();
        let expected: Vec<String> = expect
            .set_cookie
            .iter()
            .map(|line| insert_key(line))
            .collect();
        assert_eq!(set_cookies, expected);
        if self.engine != "signed_cookies" && !actions.is_empty() && expect.exception.is_none() {
            let key = key.as_ref().map(SessionKey::reveal);
            let expected = expect.session_key.as_deref().map(&insert_key);
            assert_eq!(key, expected.as_deref());
        }
        if let Some(store) = &expect.store {
            self.check_store(store, &insert_key);
        }
    }

    fn check_store(
        &self,
        store: &BTreeMap<String, ExpectedEntry>,
        insert_key: &impl Fn(&str) -> String,
    ) {
        let expected: Vec<String> = store.keys().map(|key| insert_key(key)).collect();
        assert_eq!(self.keys(), expected);
        for (key, expected) in store {
            let (key, data) = (insert_key(key), items_of(&expected.data));
            let found = match self.engine.as_str() {
                "db" | "cached_db" => {
                    let row = self.table.get(&key).unwrap();
                    let date = expected.expire_date.as_deref().unwrap();
                    assert_eq!(Some(row.expires), parse_iso(date));
                    if let Some(copy) = self.cache.get(&key) {
                        let copy = pickle::read(&copy.data).unwrap();
                        assert_eq!(Same::from(copy), data.clone().into(), "the copy");
                    }
                    self.read(std::str::from_utf8(&row.data).unwrap())
                }
                "cache" => {
                    let row = self.cache.get(&key).unwrap();
                    if row.redis_ttl > 0 {
                        assert_eq!(Some(row.redis_ttl), expected.ttl);
                    }
                    pickle::read(&row.data).unwrap().into()
                }
                "file" => {
                    let path = self.folder.path().join(format!("sessionid{key}"));
                    self.read(&std::fs::read_to_string(path).unwrap())
                }
                other => panic!("{other} stores nothing"),
            };
            assert_eq!(found, data.into());
        }
    }

    /// Returns a function that replaces `{NEW_KEY_1}` in a text with the key that this request
    /// made.
    fn insert_key(
        &self,
        expect: &Expected,
        key: Option<&SessionKey>,
        before: &[String],
    ) -> impl Fn(&str) -> String + use<> {
        let new_key = key.map(|key| key.reveal().to_owned());
        let is_new = |key: &String| !before.contains(key);
        let new_key = new_key.filter(is_new);
        if expect.session_key.as_deref() == Some("{NEW_KEY_1}") {
            let new_key = new_key.as_deref().unwrap();
            assert_eq!(new_key.len(), 32);
            let alphabet = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(new_key.bytes().all(alphabet));
        }
        move |text| match &new_key {
            Some(key) => text.replace("{NEW_KEY_1}", key),
            None => text.to_owned(),
        }
    }

    fn keys(&self) -> Vec<String> {
        match self.engine.as_str() {
            "db" | "cached_db" => {
                let rows = self.table.all();
                for key in self.cache.all().keys() {
                    assert!(rows.contains_key(key), "the cache has a copy without a row");
                }
                rows.into_keys().collect()
            }
            "cache" => self.cache.all().into_keys().collect(),
            "file" => self.keys_on_disk(),
            _ => Vec::new(),
        }
    }

    fn keys_on_disk(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut keys: Vec<String> = names
            .filter(|name| !name.starts_with(".cloakroom-"))
            .map(|name| name.replace("mysid", "").replace("sessionid", ""))
            .collect();
        keys.sort();
        keys
    }

    fn read(&self, text: &str) -> Same {
        let signed = self.signer.loads(text.as_bytes()).unwrap();
        json::read(&signed.json).unwrap().into()
    }

    async fn act(&self, session: &Session, action: &[Ordered]) -> Ordered {
        let text = |nth: usize| match &action[nth] {
            Ordered::Text(text) => text.as_str(),
            other => panic!("{other:?} is not a name"),
        };
        let default = || action.get(2).cloned();
        let get = |name: &str| session.get::<Ordered>(name).unwrap();
        let missing =
            |name: &str| Ordered::Object(vec![("KeyError".into(), Ordered::Text(name.to_owned()))]);
        match text(0) {
            "get" => get(text(1)).or_else(default).unwrap_or(Ordered::Null),
            "set" => {
                session.set(text(1), action[2].clone()).unwrap();
                Ordered::Null
            }
            "del" => match session.discard(text(1)).unwrap() {
                true => Ordered::Null,
                false => missing(text(1)),
            },
            "pop" => match session.remove::<Ordered>(text(1)).unwrap() {
                Some(value) => value,
                None => default().unwrap_or_else(|| missing(text(1))),
            },
            "has" => Ordered::Bool(session.contains(text(1))),
            "setdefault" => session.set_default(text(1), action[2].clone()).unwrap(),
            "clear" => done(session.clear()),
            "flush" => done(session.flush()),
            "cycle_key" => done(session.cycle_key()),
            "save" => done(session.save().await),
            "set_expiry" => done(session.set_expiry(self.expiry(&action[1]))),
            "set_test_cookie" => done(session.set_test_cookie()),
            "test_cookie_worked" => Ordered::Bool(session.test_cookie_worked()),
            "delete_test_cookie" => done(session.delete_test_cookie()),
            // A handler has only a copy of a value, and changing the copy does not change the
            // session.
            "mutate_nested" => get(text(1)).map_or(Ordered::Null, |_| Ordered::Null),
            "other_delete" => {
                let other = self.sessions.open(&SessionKey::new(text(1))).await.unwrap();
                let other = other.unwrap();
                other.flush().unwrap();
                done(other.save().await)
            }
            other => panic!("no action {other}"),
        }
    }

    fn expiry(&self, asked: &Ordered) -> Expiry {
        use cloakroom::Clock;

        match asked {
            Ordered::Null => Expiry::Policy,
            Ordered::Number(secs) => match secs.as_f64().unwrap() {
                0.0 => Expiry::BrowserClose,
                secs => Expiry::Idle(Duration::from_secs_f64(secs)),
            },
            Ordered::Object(when) => match &when[0] {
                (_, Ordered::Number(secs)) => {
                    let by = Duration::from_secs_f64(secs.as_f64().unwrap());
                    Expiry::At(self.clock.now() + by)
                }
                (_, Ordered::Text(at)) => Expiry::At(parse_iso(at).unwrap()),
                other => panic!("no expiry {other:?}"),
            },
            other => panic!("no expiry {other:?}"),
        }
    }
}

/// Items, compared by the JSON that Django would write for them.
#[derive(Debug, Eq, PartialEq)]
struct Same(String);

impl From<Items> for Same {
    fn from(items: Items) -> Self {
        Self(to_json(&items))
    }
}

fn items(session: &Session) -> Same {
    let mut items = Items::new();
    for (name, value) in session.iter() {
        items.set(name.into(), value);
    }
    items.into()
}

fn done(outcome: cloakroom::Result<()>) -> Ordered {
    outcome.unwrap();
    Ordered::Null
}

fn settings(case: &Case, secret: &str) -> Settings {
    let given: BTreeMap<String, Ordered> = case.find("settings").unwrap_or_default();
    let mut settings = Settings::new(secret).unwrap();
    for (name, value) in &given {
        settings = match (name.as_str(), value) {
            ("SESSION_COOKIE_NAME", Ordered::Text(name)) => settings.session_cookie_name(name),
            ("SESSION_COOKIE_AGE", Ordered::Number(age)) => {
                settings.session_cookie_age(Duration::from_secs(age.as_u64().unwrap()))
            }
            ("SESSION_COOKIE_DOMAIN", Ordered::Text(name)) => settings.session_cookie_domain(name),
            ("SESSION_COOKIE_PATH", Ordered::Text(path)) => settings.session_cookie_path(path),
            ("SESSION_COOKIE_SECURE", Ordered::Bool(yes)) => settings.session_cookie_secure(*yes),
            ("SESSION_COOKIE_HTTPONLY", Ordered::Bool(yes)) => {
                settings.session_cookie_httponly(*yes)
            }
            ("SESSION_COOKIE_SAMESITE", Ordered::Bool(false)) => {
                settings.session_cookie_samesite(None)
            }
            ("SESSION_COOKIE_SAMESITE", Ordered::Text(text)) => match text.as_str() {
                "Strict" => settings.session_cookie_samesite(SameSite::Strict),
                "Lax" => settings.session_cookie_samesite(SameSite::Lax),
                // The builder refuses `SameSite=None` without `Secure`, because browsers drop such
                // a cookie.
                "None" => settings
                    .session_cookie_samesite(SameSite::None)
                    .session_cookie_secure(true),
                other => panic!("no SameSite {other}"),
            },
            ("SESSION_SAVE_EVERY_REQUEST", Ordered::Bool(yes)) => {
                settings.session_save_every_request(*yes)
            }
            ("SESSION_EXPIRE_AT_BROWSER_CLOSE", Ordered::Bool(yes)) => {
                settings.session_expire_at_browser_close(*yes)
            }
            ("SECRET_KEY_FALLBACKS", Ordered::Array(secrets)) => {
                secrets.iter().fold(settings, |settings, secret| {
                    let Ordered::Text(secret) = secret else {
                        panic!("the secret is not text")
                    };
                    settings.secret_key_fallback(secret)
                })
            }
            ("SECRET_KEY", _) => settings,
            (name, value) => panic!("no setting {name} = {value:?}"),
        };
    }
    settings
}
