//! Sessions that move to a new key while other calls are in progress. Some tests use a store with
//! the provided `Store::rename`, which takes several steps.

use std::sync::Arc;

use cloakroom::store::{Draft, Entry, Guarantees, MemoryStore, Meta, Outcome, Store, Version};
use cloakroom::{ErrorKind, Owner, Result, Session, SessionTag, Sessions, StoreKey};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::{Call, Flaky, Gate, When};
use http::StatusCode;

use crate::site::{Site, Visitor, stored};

#[tokio::test]
async fn a_provided_rename_that_fails_halfway_does_not_restore_a_logged_out_session() {
    let memory = Arc::new(MemoryStore::new());
    let flaky = Flaky::new(Arc::clone(&memory));
    let gate = Gate::new(InSteps(memory.clone(), flaky.clone(), true));
    let sessions = Sessions::builder(gate.clone())
        .clock(HandClock::new())
        .sweep(None)
        .build()
        .unwrap();
    let mut guest = Visitor {
        sessions,
        cookie: None,
    };
    guest.visit(|session| session.set("n", 1)).await.unwrap();
    let mut tab = guest.clone();

    let (handle, session) = tab.open().await;
    session.cycle_key().unwrap();
    flaky.fail_next(Call::Save, When::Before, ErrorKind::Unavailable);
    gate.close(When::Before, Call::Load);
    let sessions = tab.sessions.clone();
    let finishing =
        tokio::spawn(async move { (sessions.finish(&handle, StatusCode::OK).await, handle) });
    gate.reached(When::Before, Call::Load, 1).await;
    // Logs out through another server, whose calls do not wait at the gate.
    let other = Sessions::builder(memory.clone())
        .clock(HandClock::new())
        .sweep(None)
        .build()
        .unwrap();
    let mut other = Visitor {
        sessions: other,
        cookie: guest.cookie.clone(),
    };
    other.visit(Session::flush).await.unwrap();
    gate.open(When::Before, Call::Load);
    let (finished, _) = finishing.await.unwrap();
    if let Ok(effects) = finished {
        tab.take(effects);
    }
    let read = tab.reads("n").await;
    assert_eq!(read, None, "the logged-out session is not restored");
}

#[tokio::test(start_paused = true)]
async fn a_provided_rename_that_fails_halfway_leaves_no_copy_in_the_owners_list() {
    let memory = Arc::new(MemoryStore::new());
    let flaky = Flaky::new(Arc::clone(&memory));
    let sessions = Sessions::builder(InSteps(memory.clone(), flaky.clone(), true))
        .clock(HandClock::new())
        .sweep(None)
        .build()
        .unwrap();
    let mut guest = Visitor {
        sessions: sessions.clone(),
        cookie: None,
    };
    guest
        .visit(|s| {
            s.set("n", 1)?;
            s.log_in("ada")
        })
        .await
        .unwrap();
    flaky.fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);
    let (handle, session) = guest.open().await;
    session.cycle_key().unwrap();
    assert!(sessions.finish(&handle, StatusCode::OK).await.is_err());
    assert_eq!(
        memory
            .owned_by(&Owner::from("ada"), None, usize::MAX)
            .await
            .unwrap()
            .entries
            .len(),
        1,
        "the list contains the session once"
    );
}

#[tokio::test]
async fn a_logout_ends_a_session_that_has_moved_since_it_was_loaded() {
    let site = Site::new();
    let mut tab = site.guest().await;
    tab.visit(|s| s.log_in("ada")).await.unwrap();
    let (logout, session) = tab.open().await;
    session.flush().unwrap();
    tab.visit(Session::cycle_key).await.unwrap();
    let effects = site.sessions.finish(&logout, StatusCode::OK).await;
    assert!(effects.is_ok());
    assert_eq!(stored(&site.memory).await, 0);
}

#[tokio::test]
async fn revoke_follows_a_session_to_its_new_key() {
    let site = Site::new();
    let mut phone = site.guest().await;
    phone.visit(|s| s.log_in("ada")).await.unwrap();
    let tag: SessionTag = phone.open().await.1.tag().unwrap();
    site.gate.close(When::Before, Call::Delete);
    let sessions = site.sessions.clone();
    let ending = tokio::spawn(async move { sessions.revoke(&Owner::from("ada"), &tag).await });
    site.gate.reached(When::Before, Call::Delete, 1).await;
    phone.visit(Session::cycle_key).await.unwrap();
    site.gate.open(When::Before, Call::Delete);
    let ended = ending.await.unwrap().unwrap();
    assert!(ended);
    assert_eq!(phone.reads("n").await, None);
}

/// A store that uses the provided `rename`. The `Flaky` store makes single steps of the `rename`
/// fail. The `bool` is whether the store promises `tombstones`.
struct InSteps(Arc<MemoryStore>, Flaky<Arc<MemoryStore>>, bool);
impl Store for InSteps {
    fn guarantees(&self) -> Guarantees {
        let mut guarantees = self.0.guarantees();
        guarantees.owners = false;
        guarantees.tombstones = self.2;
        guarantees
    }
    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        self.1.load(key).await
    }
    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.1.create(key, new).await
    }
    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.1.save(key, seen, new).await
    }
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.1.delete(key).await
    }
    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        self.1.touch(key, seen, meta).await
    }
}

#[tokio::test]
async fn a_provided_rename_is_found_to_have_taken_effect_whichever_answer_is_lost() {
    let faults = [
        (Call::Save, 1, When::After),
        (Call::Save, 2, When::After),
        // Fails after the copy was written to the new key and the old entry was replaced.
        (Call::Save, 2, When::Before),
        (Call::Delete, 1, When::After),
    ];
    let faults = faults.into_iter();
    for ((call, nth, when), tombstones) in faults.flat_map(|fault| [(fault, false), (fault, true)])
    {
        let memory = Arc::new(MemoryStore::new());
        let flaky = Flaky::new(Arc::clone(&memory));
        let sessions = Sessions::builder(InSteps(memory.clone(), flaky.clone(), tombstones))
            .clock(HandClock::new())
            .sweep(None);
        let mut guest = Visitor {
            sessions: sessions.build().unwrap(),
            cookie: None,
        };
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        let before = guest.clone();

        flaky.fail_every(nth, call, when, ErrorKind::Unavailable);
        let (handle, session) = guest.open().await;
        session.log_in("ada").unwrap();
        let finished = guest.sessions.finish(&handle, StatusCode::OK).await;
        flaky.heal();
        guest.take(finished.unwrap());

        assert_eq!(guest.reads("n").await, Some(1), "{nth} {call:?}");
        assert_eq!(before.reads("n").await, None);
        let mut alive = memory
            .owned_by(&Owner::from("ada"), None, usize::MAX)
            .await
            .unwrap()
            .entries;
        alive.retain(|owned| owned.meta.expires > std::time::UNIX_EPOCH);
        assert_eq!(alive.len(), 1, "{nth} {call:?}");
    }
}

#[tokio::test]
async fn a_store_without_tombstones_is_given_none() {
    let memory = Arc::new(MemoryStore::new());
    let store = InSteps(memory.clone(), Flaky::new(memory.clone()), false);
    let mut guest = Visitor {
        sessions: Sessions::new(store),
        cookie: None,
    };
    guest.visit(|session| session.set("n", 1)).await.unwrap();
    guest.visit(Session::cycle_key).await.unwrap();

    assert_eq!(memory.len(), 1);
    assert_eq!(guest.reads("n").await, Some(1));
}
