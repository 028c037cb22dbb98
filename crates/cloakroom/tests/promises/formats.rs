//! A format like that of another framework. All its rules differ from the default rules. The core,
//! which is the part of Cloakroom that calls formats and stores, must follow them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom::format::{
    DefaultFormat, Facts, Format, FormatRules, OnCorrupt, OnDuplicates, OnExpired, OnUnknownKey,
    Tags,
};
use cloakroom::session::{SessionData, Value};
use cloakroom::store::{MemoryStore, Store};
use cloakroom::{Backend, Error, ErrorKind, Expiry, Result, SessionKey, Sessions, StoreKey};

use cloakroom_testkit::wrap::{Call, Flaky, When};
use http::StatusCode;

use crate::site::{Visitor, acknowledged_headers, kind, removes_the_cookie, set_cookie};

/// A format that stores keys unhashed, and one item per line.
struct Lines;

/// Returns a backend that keeps sessions in the format [`Lines`].
pub(crate) fn lines(store: impl Store) -> Backend {
    Backend::new(store, Lines)
}

impl Format for Lines {
    fn rules(&self) -> FormatRules {
        let mut rules = FormatRules::default();
        rules.corrupt = OnCorrupt::KeepKey;
        rules.unknown_key = OnUnknownKey::RemoveCookie;
        rules.expired = OnExpired::DeleteEntry;
        rules.duplicates = OnDuplicates::Last;
        rules.tags = Tags::Hash;
        rules.facts = Facts::Expiry;
        rules
    }

    fn new_key(&self) -> Result<SessionKey> {
        Ok(SessionKey::new("a key of no entropy"))
    }

    fn parse_key(&self, text: &str) -> Option<SessionKey> {
        (text.len() > 3).then(|| SessionKey::new(text))
    }

    fn store_key(&self, _namespace: &str, key: &SessionKey) -> StoreKey {
        StoreKey::new(key.reveal().as_bytes())
    }

    fn encode(&self, data: &SessionData, _now: SystemTime) -> Result<Bytes> {
        let lines = data.items.iter().map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_json()?);
            Ok(format!("{name}={text}\n"))
        });
        Ok(lines.collect::<Result<String>>()?.into())
    }

    /// Reads the item `lasts`, in seconds.
    fn expiry(&self, data: &SessionData) -> Expiry {
        let lasts = data.items.get("lasts");
        let secs = lasts.and_then(|lasts| lasts.get().ok());
        secs.map_or(Expiry::Policy, |secs| {
            Expiry::Idle(Duration::from_secs(secs))
        })
    }

    fn set_expiry(&self, data: &mut SessionData, expiry: Expiry) -> Result<()> {
        let Expiry::Idle(lasts) = expiry else {
            return Err(Error::new(
                ErrorKind::BadValue,
                "only an idle time is supported",
            ));
        };
        let lasts = Value::of(&lasts.as_secs())?;
        data.items.set("lasts".into(), lasts);
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<SessionData> {
        let text = std::str::from_utf8(bytes);
        let text = text.map_err(|_| Error::new(ErrorKind::Corrupt, "reading lines: not text"))?;
        let mut data = SessionData::default();
        for line in text.lines() {
            let (name, value) = line.split_once('=').expect("`encode` writes it");
            let value = Value::from_json(Bytes::copy_from_slice(value.as_bytes()));
            data.items.set(name.to_owned().into(), value);
        }
        Ok(data)
    }
}

#[tokio::test]
async fn the_core_uses_the_formats_keys_and_bytes() {
    let (store, mut visitor) = store_and_visitor();

    visitor.visit(|session| session.set("n", 1)).await.unwrap();

    assert_eq!(
        visitor.cookie.as_deref(),
        Some("__Host-session=a key of no entropy")
    );
    let entry = store.load(&store_key()).await.unwrap().unwrap();
    assert_eq!(entry.data, "n=1\n");
    assert_eq!(visitor.reads("n").await, Some(1));
    let tag = visitor.open().await.1.tag().unwrap();
    assert!(!"a key of no entropy".as_bytes().starts_with(tag.as_bytes()));
    assert_eq!(
        kind(visitor.sessions.open_tagged(&tag).await),
        ErrorKind::Unsupported
    );
}

#[tokio::test]
async fn the_core_follows_the_formats_rule_for_corrupt_entries() {
    let (store, mut visitor) = store_and_visitor();
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    let entry = store.load(&store_key()).await.unwrap().unwrap();
    let damaged = cloakroom::store::Draft::new(
        Bytes::from_static(b"\xff"),
        entry.meta,
        cloakroom::store::SaveId::new(1),
    );
    let _ = store
        .save(&store_key(), &entry.version, &damaged)
        .await
        .unwrap();

    let (_, session) = visitor.open().await;
    assert!(session.is_empty() && !session.is_new());
    visitor.visit(|session| session.set("n", 2)).await.unwrap();
    assert_eq!(visitor.reads("n").await, Some(2));
}

#[tokio::test]
async fn the_core_follows_the_formats_rule_for_unknown_keys() {
    let (_, mut visitor) = store_and_visitor();
    visitor.cookie = Some("__Host-session=an unknown key".into());

    let headers = visitor
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();

    assert!(removes_the_cookie(&headers));
    let headers = visitor
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();
    assert_eq!(set_cookie(&headers), None);
}

#[tokio::test]
async fn the_core_follows_the_formats_rule_for_duplicates() {
    let (_, mut visitor) = store_and_visitor();
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    visitor.cookie = Some(format!(
        "__Host-session=planted; {}",
        visitor.cookie.unwrap()
    ));

    assert_eq!(visitor.reads("n").await, Some(1));
}

#[tokio::test]
async fn the_core_follows_the_formats_rule_for_malformed_keys() {
    let (_, mut visitor) = store_and_visitor();
    visitor.cookie = Some("__Host-session=abc".into());
    let handle = visitor.request();

    let headers = visitor.finish(&handle).await.unwrap();

    assert!(
        removes_the_cookie(&headers),
        "the cookie is removed even though the session was not opened"
    );
    assert_eq!(headers["vary"], "Cookie");
}

#[tokio::test]
async fn the_core_finds_an_expiry_where_the_format_keeps_it() {
    let (store, mut visitor) = store_and_visitor();
    visitor.visit(|session| session.set("n", 1)).await.unwrap();

    let hour = Expiry::Idle(Duration::from_secs(3_600));
    let (handle, session) = visitor.open().await;
    session.set_expiry(hour).unwrap();
    let other = session.set_expiry(Expiry::BrowserClose);
    assert_eq!(kind(other), ErrorKind::BadValue);
    visitor.finish(&handle).await.unwrap();

    let entry = store.load(&store_key()).await.unwrap().unwrap();
    assert_eq!(entry.data, "n=1\nlasts=3600\n");
    let lasts = entry.meta.expires.duration_since(entry.meta.touched);
    assert_eq!(lasts.unwrap(), Duration::from_secs(3_600));
    assert_eq!(visitor.open().await.1.expiry(), hour);
}

#[tokio::test]
async fn the_core_follows_the_formats_rule_for_expired_entries() {
    let (store, mut visitor) = store_and_visitor();
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    let entry = store.load(&store_key()).await.unwrap().unwrap();
    let mut expired = entry.meta;
    expired.expires = SystemTime::UNIX_EPOCH;
    let _ = store
        .touch(&store_key(), &entry.version, &expired)
        .await
        .unwrap();

    assert_eq!(visitor.reads("n").await, None);

    assert!(store.is_empty());
}

#[tokio::test]
async fn facts_that_the_format_does_not_store_are_not_kept() {
    let (store, mut visitor) = store_and_visitor();
    visitor
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();
    assert!(store.is_empty(), "a session without items is not stored");
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    let (_, session) = visitor.open().await;
    assert_eq!(session.owner(), None);
    assert_eq!(kind(session.set_label("a phone")), ErrorKind::Unsupported);
    assert!(!visitor.sessions.guarantees().owners);
    let hour = Duration::from_secs(3_600);
    let lifetime = Sessions::builder(lines(MemoryStore::new())).max_lifetime(hour);
    assert_eq!(kind(lifetime.build()), ErrorKind::Config);
}

/// The default format, except that the cookie of an unknown key is removed.
struct Removing(DefaultFormat);
impl Format for Removing {
    fn rules(&self) -> FormatRules {
        let mut rules = FormatRules::default();
        rules.unknown_key = OnUnknownKey::RemoveCookie;
        rules
    }
    fn new_key(&self) -> Result<SessionKey> {
        self.0.new_key()
    }
    fn parse_key(&self, text: &str) -> Option<SessionKey> {
        self.0.parse_key(text)
    }
    fn store_key(&self, namespace: &str, key: &SessionKey) -> StoreKey {
        self.0.store_key(namespace, key)
    }
    fn encode(&self, data: &SessionData, now: SystemTime) -> Result<Bytes> {
        self.0.encode(data, now)
    }
    fn decode(&self, bytes: &Bytes) -> Result<SessionData> {
        self.0.decode(bytes)
    }
}

#[tokio::test]
async fn a_logout_that_failed_does_not_remove_the_cookie() {
    let flaky = Flaky::new(MemoryStore::new());
    let sessions = Sessions::builder(Backend::new(flaky.clone(), Removing(DefaultFormat::new())))
        .sweep(None)
        .build()
        .unwrap();
    let mut guest = Visitor {
        sessions: sessions.clone(),
        cookie: None,
    };
    guest.visit(|s| s.set("n", 1)).await.unwrap();
    flaky.fail_every(1, Call::Delete, When::Before, ErrorKind::Unavailable);
    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    assert!(sessions.finish(&handle, StatusCode::OK).await.is_err());
    assert_eq!(
        set_cookie(&acknowledged_headers(&handle)),
        None,
        "the cookie stays, because the session still exists"
    );
}

fn store_and_visitor() -> (Arc<MemoryStore>, Visitor) {
    let store = Arc::new(MemoryStore::new());
    let backend = lines(Arc::clone(&store));
    let visitor = Visitor {
        sessions: Sessions::new(backend),
        cookie: None,
    };
    (store, visitor)
}

fn store_key() -> StoreKey {
    StoreKey::new(b"a key of no entropy")
}
