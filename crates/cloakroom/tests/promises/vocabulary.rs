//! The methods of Django's sessions, as methods of `Session`.

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom::session::Value;
use cloakroom::{ErrorKind, Item, Session, limits};

use crate::site::{Site, kind};

const VISITS: Item<u64> = Item::new("num_visits");
const THEME: Item<String> = Item::new("theme");

#[tokio::test]
async fn typed_and_plain_names_reach_the_same_item() {
    let session = blank();

    session.set(VISITS, 3).unwrap();
    session.set("theme", "dark").unwrap();

    let visits: Option<u64> = session.get("num_visits").unwrap();
    assert_eq!(visits, Some(3));
    assert_eq!(session.get(THEME).unwrap().as_deref(), Some("dark"));
    assert_eq!(
        session.get::<u64>(&String::from("num_visits")).unwrap(),
        Some(3)
    );
}

#[tokio::test]
async fn get_or_and_get_or_default_return_a_default_for_missing_items() {
    let session = blank();

    assert_eq!(session.get(VISITS).unwrap(), None);
    assert_eq!(session.get_or(VISITS, 7).unwrap(), 7);
    assert_eq!(session.get_or_default(VISITS).unwrap(), 0);
    assert!(session.is_empty(), "the default is not stored");
}

#[tokio::test]
async fn set_value_stores_the_value_byte_for_byte() {
    let site = Site::new();
    let session = site.sessions.new_session();
    let value = Value::from_json("[1.50, 1E5, \"\\u00e9\"]".into());

    session.set_value("list", value.clone()).unwrap();
    session.save().await.unwrap();

    let found = site.sessions.open(&session.key().unwrap()).await;
    assert!(found.unwrap().unwrap().value("list") == Some(value));
}

#[tokio::test]
async fn set_default_keeps_an_existing_value() {
    let session = blank();

    assert_eq!(session.set_default(VISITS, 5).unwrap(), 5);
    assert_eq!(session.set_default(VISITS, 9).unwrap(), 5);
    assert_eq!(session.get(VISITS).unwrap(), Some(5));
}

#[tokio::test]
async fn update_starts_from_the_default_and_returns_the_new_value() {
    let session = blank();

    assert_eq!(session.update(VISITS, |n| *n += 1).unwrap(), 1);
    assert_eq!(session.update(VISITS, |n| *n += 1).unwrap(), 2);
    let list = session.update("cart", |cart: &mut BTreeMap<String, u8>| {
        cart.insert("Emma".into(), 1);
    });
    assert_eq!(list.unwrap().len(), 1);
}

#[tokio::test]
async fn an_update_may_read_the_session() {
    let session = blank();
    session.set("step", 5).unwrap();

    let inner = session.clone();
    let updated = session.update(VISITS, move |n| {
        *n += inner.get_or("step", 0).expect("no lock is held");
    });

    assert_eq!(updated.unwrap(), 5);
}

#[tokio::test]
async fn an_update_that_updates_its_own_item_is_an_error_and_does_not_hang() {
    let session = blank();

    let inner = session.clone();
    let outcome = session.update(VISITS, move |n| {
        inner
            .update(VISITS, |n| *n += 1)
            .expect("there is no conflict yet");
        *n += 1;
    });

    assert_eq!(kind(outcome), ErrorKind::Conflict);
}

#[tokio::test]
async fn an_update_that_panics_leaves_the_session_as_it_was() {
    let session = blank();
    session.set(VISITS, 1).unwrap();

    let inner = session.clone();
    let panicked = tokio::spawn(async move {
        let _ = inner.update(VISITS, |_| panic!("in the caller's code"));
    });

    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(session.get(VISITS).unwrap(), Some(1));
    assert_eq!(session.update(VISITS, |n| *n += 1).unwrap(), 2);
}

#[tokio::test]
async fn remove_returns_the_value() {
    let session = blank();
    session.set(VISITS, 3).unwrap();

    assert_eq!(session.remove(VISITS).unwrap(), Some(3));
    assert_eq!(session.remove(VISITS).unwrap(), None);
    assert!(!session.contains(VISITS));
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_that_names_the_item_but_not_the_value() {
    let session = blank();
    session.set("theme", "a secret").unwrap();

    for outcome in [
        session.get::<u64>("theme").map(drop),
        session.update("theme", |n: &mut u64| *n += 1).map(drop),
        session.remove::<u64>("theme").map(drop),
        session.set_default("theme", 1_u64).map(drop),
    ] {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadValue);
        let text = format!("{error:#} {error:?}");
        assert!(text.contains("`theme`") && text.contains("u64"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    assert_eq!(session.get(THEME).unwrap().as_deref(), Some("a secret"));
    assert!(
        session.discard("theme").unwrap(),
        "`discard` removes a value of any type"
    );
}

#[tokio::test]
async fn a_value_without_json_form_is_an_error_and_changes_nothing() {
    let session = blank();
    let no_json = BTreeMap::from([((1, 2), 3)]);

    assert_eq!(kind(session.set("map", no_json)), ErrorKind::BadValue);
    assert!(!session.is_modified());
}

#[tokio::test]
async fn items_are_in_the_order_in_which_they_were_first_set() {
    let session = blank();
    for name in ["c", "a", "b"] {
        session.set(name, 1).unwrap();
    }
    session.set("c", 2).unwrap();
    session.discard("a").unwrap();
    session.set("a", 3).unwrap();

    assert_eq!(session.names(), ["c", "b", "a"]);
    let items: Vec<(String, u64)> = session
        .iter()
        .map(|(name, value)| (name, value.get().unwrap()))
        .collect();
    assert_eq!(items, [("c".into(), 2), ("b".into(), 1), ("a".into(), 3)]);
    assert_eq!(session.len(), 3);
    session.clear().unwrap();
    assert!(session.is_empty());
}

#[tokio::test]
async fn is_new_and_is_modified_reflect_edits_and_saves() {
    let site = Site::new();
    let session = blank();
    assert!(session.is_new() && !session.is_modified());

    assert!(!session.contains(VISITS));
    assert!(!session.discard("nothing").unwrap());
    assert!(
        !session.is_modified(),
        "discarding an item that is not set is no change"
    );

    session.set(VISITS, 1).unwrap();
    assert!(session.is_modified());
    session.save().await.unwrap();
    assert!(!session.is_new() && !session.is_modified());

    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    assert!(!session.is_new());
    session.set("n", 1).unwrap();
    assert!(
        session.is_modified(),
        "setting an equal value counts as a change, as in Django"
    );
    guest.finish(&handle).await.unwrap();
}

#[tokio::test]
async fn the_test_cookie_works_in_the_next_request_if_the_browser_accepts_cookies() {
    let site = Site::new();
    let mut visitor = site.visitor();

    visitor.visit(Session::set_test_cookie).await.unwrap();
    let (handle, session) = visitor.open().await;
    assert!(session.test_cookie_worked());
    session.delete_test_cookie().unwrap();
    visitor.finish(&handle).await.unwrap();

    assert!(!visitor.open().await.1.test_cookie_worked());
    assert!(!site.visitor().open().await.1.test_cookie_worked());
}

#[tokio::test]
async fn a_session_can_be_opened_by_key_or_by_tag_outside_a_request() {
    let site = Site::new();
    let mut ada = site.guest().await;
    ada.visit(|session| session.log_in("ada")).await.unwrap();
    let (_, session) = ada.open().await;
    let (key, tag) = (session.key().unwrap(), session.tag().unwrap());

    let job = site.sessions.open(&key).await.unwrap().unwrap();
    job.update("n", |n: &mut u64| *n += 1).unwrap();
    job.save().await.unwrap();
    let socket = site.sessions.open_tagged(&tag).await.unwrap().unwrap();
    socket.update("n", |n: &mut u64| *n += 1).unwrap();
    socket.save().await.unwrap();

    assert_eq!(ada.reads("n").await, Some(3));
    assert!(socket.key().is_none(), "a tag does not lead to the key");
    assert_eq!(kind(socket.cycle_key()), ErrorKind::Unsupported);
    assert_eq!(kind(socket.log_in("grace")), ErrorKind::Unsupported);
    socket.flush().unwrap();
    socket.save().await.unwrap();
    assert!(site.sessions.open(&key).await.unwrap().is_none());
    assert!(site.sessions.open_tagged(&tag).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_over_the_size_limit_is_an_error_and_saves_nothing() {
    let site = Site::with(|builder| builder.max_size(100 + limits::OWNER_BYTES));
    let mut guest = site.guest().await;

    let outcome = guest
        .visit(|session| session.set("large", "x".repeat(100)))
        .await;

    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("of 100;"), "{error}");
    assert_eq!(guest.reads("n").await, Some(1));
}

/// Calls a method of the session when this value is dropped.
struct CallsOnDrop(Session);
impl Drop for CallsOnDrop {
    fn drop(&mut self) {
        let _ = self.0.len();
    }
}

#[test]
fn a_flush_drops_the_callers_closures_outside_its_lock() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let sessions = Site::new().sessions;
        let session = sessions.new_session();
        let captured = CallsOnDrop(session.clone());
        session
            .update("n", move |n: &mut u64| {
                let _ = &captured;
                *n += 1
            })
            .unwrap();
        session.flush().unwrap();
        done.send(()).unwrap();
    });
    assert!(
        wait.recv_timeout(Duration::from_secs(30)).is_ok(),
        "the flush returns instead of waiting for its own lock"
    );
}

#[tokio::test]
async fn labels_count_against_the_size_limit() {
    let site = Site::with(|b| b.max_size(100 + limits::OWNER_BYTES));
    let mut v = site.visitor();
    let out = v
        .visit(|s| {
            s.set("n", 1)?;
            s.set_label("x".repeat(1 << 20))
        })
        .await;
    assert!(out.is_err());
}

fn blank() -> Session {
    Site::new().sessions.new_session()
}
