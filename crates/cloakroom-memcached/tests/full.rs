//! Tests against a real server that was started with `-M` and whose memory is full: a call that is
//! refused changes nothing.

#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::ops::Range;

use cloakroom::store::{Draft, Meta, Outcome, Store, from_millis};
use cloakroom::{ErrorKind, Sessions, StoreKey};
use cloakroom_harness::servers::{Kind, Server};
use cloakroom_memcached::{DjangoCache, MemcachedStore};
use support::{draft, on, written};

#[tokio::test]
async fn a_save_that_finds_no_room_leaves_the_session_unchanged() {
    let Some((_server, store)) = store() else {
        return;
    };
    saves_change_nothing(&store).await;
}

#[tokio::test]
async fn a_save_that_finds_no_room_leaves_the_session_of_django_unchanged() {
    let Some((_server, cache)) = djangos_cache() else {
        return;
    };
    saves_change_nothing(&cache).await;
}

async fn saves_change_nothing<S: Store>(store: &S) {
    let old = draft_of(SMALL);
    let version = written(store.create(&at(1), &old).await);
    fill(store, &SIZES, FILLERS).await;

    for size in SIZES.into_iter().rev() {
        let refused = store.save(&at(1), &version, &draft_of(size)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full, "{size}");
        assert_unchanged(store, &old).await;
    }

    store.delete(&at(FILLERS.start)).await.unwrap();
    let saved = store.save(&at(1), &version, &draft_of(LARGE)).await;
    let version = written(saved);
    for size in SIZES.into_iter().rev() {
        let refused = store.save(&at(1), &version, &draft_of(size)).await;
        if let Err(error) = refused {
            assert_eq!(error.kind(), ErrorKind::Full);
            let entry = store.load(&at(1)).await.unwrap().unwrap();
            assert_eq!(entry.data.len(), LARGE, "{size}");
        }
    }
}

#[tokio::test]
async fn an_outdated_save_that_finds_no_room_leaves_the_newer_session_unchanged() {
    let Some((server, store)) = store() else {
        return;
    };
    let outdated = written(store.create(&at(1), &draft_of(SMALL)).await);
    // The second store has the token of the outdated version, and the first one replaces it.
    let other = on(&server, "test");
    other.load(&at(1)).await.unwrap();
    let newer = draft_of(SMALL);
    written(store.save(&at(1), &outdated, &newer).await);
    fill(&store, &SIZES, FILLERS).await;

    for size in SIZES.into_iter().rev() {
        let refused = other.save(&at(1), &outdated, &draft_of(size)).await;
        assert!(!matches!(refused, Ok(Outcome::Written(_))), "{size}");
        assert_unchanged(&store, &newer).await;
    }
}

#[tokio::test]
async fn a_create_that_finds_no_room_leaves_the_session_at_the_key_unchanged() {
    let Some((_server, store)) = store() else {
        return;
    };
    let old = draft_of(SMALL);
    written(store.create(&at(1), &old).await);
    fill(&store, &SIZES, FILLERS).await;

    for size in SIZES.into_iter().rev() {
        let refused = store.create(&at(1), &draft_of(size)).await;
        assert!(!matches!(refused, Ok(Outcome::Written(_))), "{size}");
        assert_unchanged(&store, &old).await;
        let refused = store.create(&at(2), &draft_of(size)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full, "{size}");
        assert!(store.load(&at(2)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_touch_that_finds_no_room_leaves_the_session_unchanged() {
    for size in SIZES.into_iter().rev() {
        let Some((_server, store)) = store() else {
            return;
        };
        let old = draft_of(size);
        let version = written(store.create(&at(1), &old).await);
        fill(&store, &SIZES, FILLERS).await;

        let refused = store.touch(&at(1), &version, &later(&old.meta)).await;

        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full, "{size}");
        assert_unchanged(&store, &old).await;
    }
}

#[tokio::test]
async fn a_touch_of_a_session_of_django_needs_no_room() {
    for size in SIZES.into_iter().rev() {
        let Some((_server, cache)) = djangos_cache() else {
            return;
        };
        let old = draft_of(size);
        let version = written(cache.create(&at(1), &old).await);
        fill(&cache, &SIZES, FILLERS).await;

        for _ in 0..2 {
            let touched = cache.touch(&at(1), &version, &later(&old.meta)).await;
            assert!(written(touched) == version, "{size}");
            assert_unchanged(&cache, &old).await;
        }
    }
}

#[tokio::test]
async fn a_login_that_finds_no_room_leaves_the_session_at_its_key() {
    for has_tombstone in [true, false] {
        let Some((_server, store)) = store() else {
            return;
        };
        logins_change_nothing(&store, has_tombstone).await;
    }
}

#[tokio::test]
async fn a_login_that_finds_no_room_leaves_the_session_of_django_at_its_key() {
    let Some((_server, cache)) = djangos_cache() else {
        return;
    };
    logins_change_nothing(&cache, false).await;
}

async fn logins_change_nothing<S: Store>(store: &S, has_tombstone: bool) {
    let old = draft_of(SMALL);
    let version = written(store.create(&at(1), &old).await);
    fill(store, &SIZES, FILLERS).await;

    for size in SIZES.into_iter().rev() {
        let new = draft_of(size);
        let tombstone = has_tombstone.then(|| Draft::new("".into(), new.meta.clone(), new.save_id));
        let refused = store
            .rename(&at(1), &version, &at(2), &new, tombstone.as_ref())
            .await;

        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full, "{size}");
        assert_unchanged(store, &old).await;
        assert!(store.load(&at(2)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_login_that_finds_room_for_the_copy_only_leaves_the_session_and_no_copy() {
    let Some((_server, store)) = store() else {
        return;
    };
    let old = draft_of(SMALL);
    let version = written(store.create(&at(1), &old).await);
    fill(&store, &SIZES, FILLERS).await;
    // There is room for the new session, but not for what is to replace the old one.
    store.delete(&at(FILLERS.start)).await.unwrap();
    let new = draft_of(LARGE);
    let tombstone = Draft::new(data_of(MEDIUM).into(), new.meta.clone(), new.save_id);

    for tombstone in [Some(&tombstone), None] {
        let refused = store
            .rename(&at(1), &version, &at(2), &new, tombstone)
            .await;

        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full);
        assert_unchanged(&store, &old).await;
        assert!(store.load(&at(2)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_login_that_finds_no_room_for_its_last_step_has_moved_the_session() {
    let Some((_server, store)) = store() else {
        return;
    };
    let version = written(store.create(&at(1), &draft_of(SMALL)).await);
    let large = fill(&store, &[LARGE], FILLERS).await;
    let medium = fill(&store, &[MEDIUM], large..FILLERS.end).await;
    fill(&store, &[SMALL], medium..FILLERS.end).await;
    // There is room for one large and one medium item: the copy and the tombstone. Replacing the
    // copy needs room for another large item.
    store.delete(&at(FILLERS.start)).await.unwrap();
    store.delete(&at(large)).await.unwrap();
    let new = draft_of(LARGE);
    let tombstone = Draft::new(data_of(MEDIUM).into(), new.meta.clone(), new.save_id);

    let moved = store
        .rename(&at(1), &version, &at(2), &new, Some(&tombstone))
        .await;

    let version = written(moved);
    let entry = store.load(&at(2)).await.unwrap().unwrap();
    assert!(entry.data == new.data && entry.version == version);
    let left = store.load(&at(1)).await.unwrap().unwrap();
    assert!(left.data == tombstone.data && left.version == tombstone.version());
    // The returned version is the one to save.
    written(store.save(&at(2), &version, &draft_of(SMALL)).await);
}

#[tokio::test]
async fn a_deleted_session_stays_deleted_and_makes_room() {
    let Some((_server, store)) = store() else {
        return;
    };
    let version = written(store.create(&at(1), &draft_of(SMALL)).await);
    fill(&store, &SIZES, FILLERS).await;
    store
        .save(&at(1), &version, &draft_of(SMALL))
        .await
        .unwrap_err();

    store.delete(&at(1)).await.unwrap();

    assert!(store.load(&at(1)).await.unwrap().is_none());
    let late = store.save(&at(1), &version, &draft_of(SMALL)).await;
    assert_eq!(late.unwrap(), Outcome::Stale);
    written(store.create(&at(2), &draft_of(SMALL)).await);
}

#[tokio::test]
async fn a_visitor_whose_save_finds_no_room_keeps_the_session() {
    let Some((_server, store)) = store() else {
        return;
    };
    let sessions = Sessions::new(store.clone());
    let session = sessions.new_session();
    session.set("theme", "dark").unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();
    fill(&store, &SIZES, FILLERS).await;

    let session = sessions.open(&key).await.unwrap().unwrap();
    session.set("draft", data_of(LARGE)).unwrap();
    let refused = session.save().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);

    let session = sessions.open(&key).await.unwrap().unwrap();
    let theme = session.get::<String>("theme").unwrap();
    assert_eq!(theme.as_deref(), Some("dark"));
}

fn store() -> Option<(Server, MemcachedStore)> {
    let server = Kind::Memcached.start_without_eviction()?;
    let store = on(&server, "test");
    Some((server, store))
}

fn djangos_cache() -> Option<(Server, DjangoCache)> {
    let server = Kind::Memcached.start_without_eviction()?;
    let cache = DjangoCache::open(server.url()).unwrap();
    Some((server, cache))
}

/// Returns the store key with number `n`, a text as in Django.
fn at(n: u64) -> StoreKey {
    StoreKey::new(format!("{n:032}").as_bytes())
}

fn draft_of(size: usize) -> Draft {
    draft(data_of(size))
}

fn data_of(size: usize) -> String {
    "x".repeat(size)
}

fn later(meta: &Meta) -> Meta {
    let mut later = meta.clone();
    later.expires = from_millis(2_000_000_000_000);
    later
}

/// Creates sessions with data of each size until the server has no room for another session of that
/// size. Their keys have the numbers in `keys`. Returns the first number that was not used.
async fn fill<S: Store>(store: &S, sizes: &[usize], keys: Range<u64>) -> u64 {
    let mut next = keys.start;
    for size in sizes {
        while next < keys.end {
            match store.create(&at(next), &draft_of(*size)).await {
                Ok(outcome) => assert_ne!(outcome, Outcome::Stale),
                Err(_) => break,
            }
            next += 1;
        }
    }
    assert_ne!(next, keys.end, "the server must be full");
    next
}

/// Checks that the session at `at(1)` is the one that was written with `draft`.
async fn assert_unchanged<S: Store>(store: &S, draft: &Draft) {
    let entry = store.load(&at(1)).await.unwrap();
    let entry = entry.expect("a refused call must not end the session");
    assert!(entry.data == draft.data);
    if store.guarantees().tombstones {
        assert!(entry.version == draft.version() && entry.meta == draft.meta);
    }
}

/// Sizes of data, each of which memcached keeps in memory of another kind. `LARGE` comes first, so
/// that `at(FILLERS.start)` is a large item.
const SIZES: [usize; 4] = [LARGE, HUGE, MEDIUM, SMALL];

/// memcached stores items of this size in several pieces.
const HUGE: usize = 800_000;
const LARGE: usize = 20_000;
const MEDIUM: usize = 2_000;
const SMALL: usize = 200;

/// The numbers of the keys of the sessions that fill the server.
const FILLERS: Range<u64> = 1_000..100_000;
