//! The bounds that hold with every store. They are checked before the store is called.

use cloakroom::store::MemoryStore;
use cloakroom::{CookieBackend, ErrorKind, Owner, Sessions, limits};
use cloakroom_testkit::wrap::Call;

use crate::site::{Site, kind};

#[tokio::test]
async fn an_owner_has_at_most_255_bytes() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let longest = format!("{}x", "é".repeat(127));
    let too_long = "é".repeat(128);

    let handle = guest.request();
    let session = handle.open().await.unwrap();
    assert_eq!(kind(session.log_in(&too_long)), ErrorKind::TooLarge);
    guest.finish(&handle).await.unwrap();
    assert_eq!(site.spy.take(), [Call::Load]);
    guest.visit(|s| s.log_in(&longest)).await.unwrap();

    assert_eq!(guest.open().await.1.owner(), Some(Owner::from(&longest)));
    let listed = site.sessions.owned_by(&Owner::from(&longest)).await;
    assert_eq!(listed.unwrap().len(), 1);
    let unlisted = site.sessions.owned_by(&Owner::from(&too_long)).await;
    assert_eq!(unlisted.unwrap(), []);
}

#[tokio::test]
async fn a_label_has_at_most_1000_characters() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let longest = "🗝".repeat(1_000);

    let (_, session) = guest.open().await;
    let too_long = format!("{longest}x");
    assert_eq!(kind(session.set_label(too_long)), ErrorKind::TooLarge);
    assert!(!session.is_modified());

    guest.visit(|s| s.set_label(&longest)).await.unwrap();
    assert_eq!(guest.open().await.1.label(), Some(longest));
}

#[tokio::test]
async fn the_name_of_an_item_has_at_most_1024_bytes() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let longest = "é".repeat(512);
    let too_long = format!("{longest}x");

    let (_, session) = guest.open().await;
    let value = session.value("n").unwrap();
    for refused in [
        session.set(&too_long, 1),
        session.set_value(&too_long, value),
        session.set_default(&too_long, 1).map(drop),
        session.update(&too_long, |n: &mut u64| *n += 1).map(drop),
        session
            .update_or_reset(&too_long, |n: &mut u64| *n += 1)
            .map(drop),
    ] {
        assert_eq!(kind(refused), ErrorKind::TooLarge);
    }
    assert!(!session.is_modified());
    assert_eq!(session.get::<u64>(&too_long).unwrap(), None);
    assert!(!session.discard(&too_long).unwrap());

    guest.visit(|s| s.set(&longest, 7)).await.unwrap();
    assert_eq!(guest.reads(&longest).await, Some(7));
}

#[tokio::test]
async fn a_session_has_at_most_16_mib() {
    let builder = || Sessions::builder(MemoryStore::new());
    let error = builder().max_size((16 << 20) + 1).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("16777216 bytes"), "{error}");

    let sessions = builder().max_size(16 << 20).build().unwrap();
    let session = sessions.new_session();
    session.set("x", "x".repeat((16 << 20) - 355)).unwrap();
    session.save().await.unwrap();
    let label = "x".repeat(100);
    session.set_label(label).unwrap();
    assert_eq!(kind(session.save().await), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_session_that_just_fits_leaves_room_for_a_login() {
    let with_store = Sessions::builder(MemoryStore::new()).max_size(2_000);
    let in_cookies = Sessions::builder(CookieBackend::new(&[7; 32]).unwrap());
    for builder in [with_store, in_cookies] {
        let sessions = builder.build().unwrap();
        // Finds the largest item that can be saved.
        let mut size = 4_096;
        let largest = loop {
            let session = sessions.new_session();
            session.set("x", "x".repeat(size)).unwrap();
            match session.save().await {
                Ok(()) => break session,
                Err(error) => assert_eq!(error.kind(), ErrorKind::TooLarge),
            }
            size -= 1;
        };

        largest.log_in("x".repeat(limits::OWNER_BYTES)).unwrap();
        largest.save().await.unwrap();
    }
}

#[tokio::test]
async fn a_format_without_owners_accepts_any_owner_but_keeps_none() {
    let sessions = Sessions::builder(crate::formats::lines(MemoryStore::new()));
    let session = sessions.sweep(None).build().unwrap().new_session();

    session.log_in("x".repeat(1_000)).unwrap();
    assert_eq!(session.owner(), None);
}

#[tokio::test]
async fn the_bounds_do_not_depend_on_the_backend() {
    let sessions = Sessions::new(CookieBackend::new(&[7; 32]).unwrap());
    let session = sessions.new_session();

    assert_eq!(kind(session.log_in("x".repeat(256))), ErrorKind::TooLarge);
    session.log_in("x".repeat(255)).unwrap();
    session.save().await.unwrap();
}
