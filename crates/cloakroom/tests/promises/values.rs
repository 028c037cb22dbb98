//! Every value that can be set is read back as the same value.

use std::collections::BTreeMap;

use cloakroom::session::Value;
use cloakroom::{ErrorKind, Session};
use serde::Serialize;

use crate::site::{Site, kind};

#[tokio::test]
async fn a_value_that_would_not_be_read_back_is_refused_when_it_is_set() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let handle = guest.request();
    let session = handle.open().await.unwrap();

    assert_refused(&session, f64::NAN);
    assert_refused(&session, f32::INFINITY);
    assert_refused(&session, vec![1.0, f64::NEG_INFINITY]);
    assert_refused(&session, BTreeMap::from([("a", Some(f64::NAN))]));
    assert_refused(&session, Some(None::<u8>));
    assert_refused(&session, [Some(()), None]);
    assert_refused(&session, Some(serde_json::Value::Null));
    assert_refused(&session, u128::MAX);
    assert_refused(&session, (1, [i128::MIN]));
    assert_refused(&session, nested(128));

    guest.finish(&handle).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(1));
    let (_, session) = guest.open().await;
    assert_eq!(session.names(), ["n"]);
}

#[tokio::test]
async fn the_error_names_the_item_and_the_reason_but_not_the_value() {
    let session = Site::new().sessions.new_session();

    let error = session.set("price", [1.25, f64::NAN]).unwrap_err();

    let shown = format!("{error:#}");
    assert!(
        shown.contains("`price`") && shown.contains("not a number") && !shown.contains("1.25"),
        "{shown}"
    );
}

#[tokio::test]
async fn an_update_to_a_value_that_would_not_be_read_back_changes_nothing() {
    let session = Site::new().sessions.new_session();
    session.set("mean", 1.5).unwrap();

    let updated = session.update("mean", |mean: &mut f64| *mean = f64::NAN);

    assert_eq!(kind(updated), ErrorKind::BadValue);
    assert_eq!(session.get("mean").unwrap(), Some(1.5));
    let set = session.set_default("other", f64::INFINITY);
    assert_eq!(kind(set), ErrorKind::BadValue);
    assert!(!session.contains("other"));
}

#[tokio::test]
async fn the_deepest_value_that_is_accepted_is_read_by_another_request() {
    let site = Site::new();
    let mut guest = site.guest().await;
    guest.visit(|s| s.set("deep", nested(127))).await.unwrap();

    let (_, session) = guest.open().await;
    assert_eq!(session.get("deep").unwrap(), Some(nested(127)));
}

#[tokio::test]
async fn null_counts_as_set_but_reads_as_none_for_every_type() {
    let site = Site::new();
    let mut guest = site.guest().await;
    guest.visit(|s| s.set("x", None::<u32>)).await.unwrap();

    let (_, session) = guest.open().await;
    assert!(session.contains("x"));
    assert_eq!(session.value("x"), Some(Value::from_json("null".into())));
    assert_eq!(session.get::<u32>("x").unwrap(), None);
    assert_eq!(session.get::<Option<u32>>("x").unwrap(), None);
    assert_eq!(session.get::<String>("x").unwrap(), None);
    assert_eq!(session.get::<()>("x").unwrap(), None);
    assert_eq!(session.get::<serde_json::Value>("x").unwrap(), None);
    assert_eq!(session.get_or("x", 7).unwrap(), 7);
    assert_eq!(session.get_or_default::<u32>("x").unwrap(), 0);
}

#[tokio::test]
async fn edits_of_a_null_item_start_as_if_it_were_not_set() {
    let site = Site::new();
    let null = |name| {
        let session = site.sessions.new_session();
        session.set(name, None::<u32>).unwrap();
        session
    };
    assert_eq!(null("x").update("x", |n: &mut u32| *n += 1).unwrap(), 1);
    let updated = null("x").update_or_reset("x", |n: &mut u32| *n += 1);
    assert_eq!(updated.unwrap(), 1);
    let session = null("x");
    assert_eq!(session.set_default("x", 7).unwrap(), 7);
    assert_eq!(session.get("x").unwrap(), Some(7));
    let session = null("x");
    assert_eq!(session.remove::<u32>("x").unwrap(), None);
    assert!(!session.contains("x"));
    let session = null("x");
    assert_eq!(session.take::<u32>("x").await.unwrap(), None);
    assert!(!session.contains("x"));
}

#[tokio::test]
async fn set_default_replaces_null_even_when_it_is_replayed() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    assert_eq!(session.set_default("x", 7).unwrap(), 7);
    let mut other = guest.clone();
    other.visit(|s| s.set("x", None::<u32>)).await.unwrap();
    guest.finish(&handle).await.unwrap();

    assert_eq!(guest.reads("x").await, Some(7));
}

#[tokio::test]
async fn a_text_that_is_not_json_is_refused_when_it_is_set() {
    let session = Site::new().sessions.new_session();

    for text in ["", "{", "NaN", "1 2", "\u{feff}1"] {
        let set = session.set_value("x", Value::from_json(text.into()));
        assert_eq!(kind(set), ErrorKind::BadValue, "{text}");
    }
    session.set_value("y", Value::foreign("N.".into())).unwrap();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let deep = Value::from_json(deep.into());
    session
        .set_value("z", deep)
        .expect("a value that another program stored can be copied");
    assert_eq!(session.names(), ["y", "z"]);
}

fn assert_refused(session: &Session, value: impl Serialize) {
    assert_eq!(kind(session.set("x", value)), ErrorKind::BadValue);
}

/// Returns a value with `depth` nested arrays.
fn nested(depth: usize) -> serde_json::Value {
    (0..depth).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]))
}
