//! Session keys: only the server creates them, and only the browser keeps them.

use cloakroom::format::{DefaultFormat, Format};
use cloakroom::store::SaveId;
use cloakroom::store::{Entry, Meta, Store, from_millis};
use cloakroom::{Cookie, SessionKey};
use cloakroom_testkit::Log;

use crate::site::{Site, set_cookie};

#[tokio::test]
async fn a_malformed_key_is_never_looked_up_and_never_adopted() {
    let site = Site::new();
    for junk in [
        "",
        " ",
        "null",
        "x",
        "../../etc/passwd",
        "a\tb",
        "%00",
        &"A".repeat(42),
        &"A".repeat(1 << 20),
    ] {
        let mut visitor = site.visitor();
        let pair = format!("__Host-session={junk}");
        visitor.cookie = Some(pair.clone());

        visitor.visit(|session| session.set("n", 1)).await.unwrap();

        assert_ne!(visitor.cookie, Some(pair));
        assert_eq!(visitor.cookie.unwrap().len(), "__Host-session=".len() + 43);
    }
    assert_eq!(site.spy.count(cloakroom_testkit::wrap::Call::Load), 0);
}

#[tokio::test]
async fn a_key_with_changed_case_or_length_opens_nothing() {
    let site = Site::new();
    let guest = site.guest().await;
    let good = guest.cookie.clone().unwrap();
    let key = good.strip_prefix("__Host-session=").unwrap();
    let swapped: String = key
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();

    for key in [
        swapped.as_str(),
        &key[..42],
        &format!("{key}A"),
        &format!("{key}="),
    ] {
        let mut thief = site.visitor();
        thief.cookie = Some(format!("__Host-session={key}"));
        assert_eq!(thief.reads("n").await, None, "{}", key.len());
    }
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn the_contents_of_the_store_open_no_session() {
    let site = Site::new();
    let guest = site.guest().await;
    let store_key = site.memory.find(&[]).await.unwrap().unwrap();

    let key = guest.cookie.as_deref().unwrap().split_once('=').unwrap().1;
    assert_eq!(
        store_key,
        DefaultFormat::new().store_key("__Host-session", &SessionKey::new(key)),
        "the store key is the hash of the key"
    );
    assert_ne!(store_key.as_bytes(), key.as_bytes());

    let mut thief = site.visitor();
    let as_key = data_encoding::BASE64URL_NOPAD.encode(store_key.as_bytes());
    thief.cookie = Some(format!("__Host-session={as_key}"));
    assert_eq!(thief.reads("n").await, None);
}

#[tokio::test]
async fn neither_of_two_different_cookies_with_the_same_name_is_used() {
    let site = Site::new();
    let victim = site.guest().await;
    let mut attacker = site.visitor();
    attacker
        .visit(|session| session.set("n", 666))
        .await
        .unwrap();
    let (good, planted) = (victim.cookie.clone().unwrap(), attacker.cookie.unwrap());

    for both in [format!("{good}; {planted}"), format!("{planted}; {good}")] {
        let mut browser = site.visitor();
        browser.cookie = Some(both);
        assert_eq!(browser.reads("n").await, None);
    }
    let mut twice = site.visitor();
    twice.cookie = Some(format!("{good}; {good}"));
    assert_eq!(twice.reads("n").await, Some(1));
}

#[tokio::test]
async fn debug_output_errors_and_trace_logs_contain_no_key_and_no_store_key() {
    use cloakroom::ErrorKind;
    use cloakroom_testkit::wrap::{Call, When};

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let site = Site::new();
    let mut keys = Vec::new();
    let mut shown = String::new();
    let mut remember = |visitor: &crate::site::Visitor| {
        let cookie = visitor.cookie.clone().unwrap();
        keys.push(cookie.split_once('=').unwrap().1.to_owned());
    };

    let mut guest = site.guest().await;
    remember(&guest);
    guest.visit(|session| session.log_in("ada")).await.unwrap();
    remember(&guest);
    for call in [
        Call::Save,
        Call::Rename,
        Call::Delete,
        Call::Load,
        Call::Create,
    ] {
        site.flaky
            .fail_every(1, call, When::After, ErrorKind::Unavailable);
        let outcome = guest.visit(|session| session.set("n", 2)).await;
        shown += &format!("{outcome:?}");
        let outcome = guest.visit(|session| session.cycle_key()).await;
        shown += &format!("{outcome:?}");
        site.flaky.heal();
    }
    let (handle, session) = guest.open().await;
    shown += &format!(
        "{handle:?} {session:?} {:?} {:?}",
        session.key(),
        site.sessions
    );
    shown += &format!("{:?}", site.sessions.owned_by(&"ada".into()).await.unwrap());
    session.flush().unwrap();
    shown += &format!(
        "{:?}",
        site.sessions.finish(&handle, http::StatusCode::OK).await
    );

    shown += &log.text();
    assert!(
        log.text().contains("session moved to a new key"),
        "the log is recorded"
    );
    for key in keys {
        let store_key = DefaultFormat::new().store_key("__Host-session", &SessionKey::new(&key));
        shown += &format!("{store_key:?}");
        let bytes = store_key.as_bytes();
        let hex = data_encoding::HEXLOWER.encode(bytes);
        let decimal = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
        let text = String::from_utf8_lossy(bytes).into_owned();
        for secret in [key, hex, decimal, text] {
            assert!(
                !shown.to_lowercase().contains(&secret.to_lowercase()),
                "{shown}"
            );
        }
    }
}

#[tokio::test]
async fn cookies_with_other_names_are_ignored() {
    let site = Site::with(|builder| builder.cookie(Cookie::new("sid").plain_http()));
    let mut guest = site.visitor();
    let headers = guest.visit(|session| session.set("n", 1)).await.unwrap();
    assert!(
        set_cookie(&headers)
            .unwrap()
            .ends_with("; HttpOnly; SameSite=Lax")
    );

    let key = guest.cookie.clone().unwrap()["sid=".len()..].to_owned();
    for name in ["SID", "sid2", "xsid", "%73id", "sid[]", "__Host-session"] {
        let mut other = site.visitor();
        other.cookie = Some(format!("{name}={key}"));
        assert_eq!(other.reads("n").await, None, "{name}");
    }
}

#[test]
fn debug_of_an_entry_shows_no_values() {
    let entry = Entry::new(
        bytes::Bytes::from_static(b"s3cret"),
        Meta::new(from_millis(0), from_millis(0), from_millis(0)),
        SaveId::new(1).into(),
    );
    assert!(!format!("{entry:?}").contains("s3cret"));
}
