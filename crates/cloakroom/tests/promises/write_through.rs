//! Two tiers that others read as well: a copy is believed for long, and never for longer than its session lives.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::format::DefaultFormat;
use cloakroom::store::{MemoryStore, Store};
use cloakroom::{
    Backend, CookieBackend, ErrorKind, Session, Sessions, StoreKey, WriteThroughBackend,
};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::{Call, Flaky, Gate, Spy, When};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::site::{Visitor, kind};

#[tokio::test]
async fn reads_are_answered_by_the_copy_for_as_long_as_the_session_lives() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;

    for _ in 0..5 {
        assert_eq!(guest.reads("n").await, Some(1));
        tiers.clock.advance(Duration::from_secs(24 * 60 * 60));
    }
    assert_eq!(tiers.back.take(), []);

    tiers.forget(&guest).await;
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(
        tiers.back.take(),
        [Call::Load, Call::Load],
        "once to read, and once to see whether the copy is still right"
    );
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.back.take(), []);
    tiers.clock.advance(Duration::from_secs(9 * 24 * 60 * 60));
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_write_never_builds_on_a_copy() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.behind(&guest).visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(1), "the copy does not know");

    guest.visit(increment).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.behind(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_session_that_ended_behind_its_copy_is_not_brought_back_by_a_write() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.behind(&guest).visit(Session::flush).await.unwrap();

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Interrupted);
    assert!(tiers.memory.is_empty());
}

#[tokio::test]
async fn a_logout_or_a_new_key_leaves_no_copy_for_the_old_one() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    let before = guest.clone();

    guest.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(before.reads("n").await, None);
    assert_eq!(guest.reads("n").await, Some(1));

    let here = guest.clone();
    guest.visit(Session::flush).await.unwrap();
    assert_eq!(here.reads("n").await, None);
    assert!(tiers.copies.is_empty());
}

#[tokio::test]
async fn a_late_fill_takes_itself_back_if_the_session_ended_meanwhile() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.forget(&guest).await;
    tiers.gate.close(When::After, Call::Load);
    let reader = guest.clone();
    let reading = tokio::spawn(async move { reader.reads("n").await });
    tiers.gate.reached(When::After, Call::Load, 1).await;

    // Deleted between the load and the fill.
    tiers
        .at_another(&guest)
        .visit(Session::flush)
        .await
        .unwrap();
    tiers.gate.open(When::After, Call::Load);

    assert_eq!(reading.await.unwrap(), Some(1), "it had asked before");
    assert!(tiers.copies.is_empty());
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_reader_that_goes_away_before_its_second_look_leaves_no_copy_of_what_ended() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.forget(&guest).await;
    tiers.gate.close(When::Before, Call::Load);
    let reader = guest.clone();
    let reading = tokio::spawn(async move { reader.reads("n").await });
    tiers.gate.reached(When::Before, Call::Load, 1).await;
    tiers.gate.let_one_pass(When::Before, Call::Load);
    while tiers.copies.is_empty() {
        tokio::task::yield_now().await;
    }

    tiers.behind(&guest).visit(Session::flush).await.unwrap();
    reading.abort();
    assert!(reading.await.is_err());
    tiers.gate.open(When::Before, Call::Load);

    let taken_back = async {
        while !tiers.copies.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let deadline = Duration::from_secs(30);
    tokio::time::timeout(deadline, taken_back).await.unwrap();
}

#[tokio::test]
async fn a_late_fill_cannot_cover_what_was_saved() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.forget(&guest).await;
    tiers.gate.close(When::After, Call::Load);
    let reader = guest.clone();
    let reading = tokio::spawn(async move { reader.reads("n").await });
    tiers.gate.reached(When::After, Call::Load, 1).await;

    tiers.at_another(&guest).visit(increment).await.unwrap();
    tiers.forget(&guest).await;
    tiers.gate.open(When::After, Call::Load);

    assert_eq!(reading.await.unwrap(), Some(1), "it had asked before");
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn of_two_writers_the_one_that_corrects_the_copy_last_cannot_make_it_old_again() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.gate.close(When::After, Call::Save);
    let mut slow = guest.clone();
    let writing = tokio::spawn(async move { slow.visit(increment).await });
    tiers.gate.reached(When::After, Call::Save, 1).await;

    // The slow one has saved the row, and the copy is still as before. Another is quicker with its correction.
    tiers.at_another(&guest).visit(increment).await.unwrap();
    tiers.gate.open(When::After, Call::Save);
    writing.await.unwrap().unwrap();

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.behind(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_save_whose_answer_got_lost_leaves_no_copy_and_counts_once() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    for when in [When::Before, When::After] {
        tiers
            .broken_back
            .fail_next(Call::Save, when, ErrorKind::Unavailable);
        guest.visit(increment).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.behind(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_cache_that_fails_makes_reads_and_writes_slower_and_not_wrong() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.forget(&guest).await;
    tiers.break_cache();

    guest.visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(2));
    assert_eq!(tiers.behind(&guest).reads("n").await, Some(2));

    tiers.broken_front.heal();
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn neither_a_logout_nor_a_new_key_is_claimed_while_a_copy_cannot_be_removed() {
    let tiers = Tiers::new();
    let (mut leaving, mut coming) = (tiers.guest().await, tiers.guest().await);
    tiers.break_cache();

    let outcome = leaving.visit(Session::flush).await;
    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    let outcome = coming.visit(|session| session.log_in("ada")).await;
    assert_eq!(kind(outcome), ErrorKind::Unavailable);

    tiers.broken_front.heal();
    leaving.visit(Session::flush).await.unwrap();
    coming.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(tiers.copies.len(), 1);
    assert_eq!(tiers.memory.len(), 1);
}

#[tokio::test]
async fn a_touch_after_a_hit_reaches_the_entry() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let every = Sessions::builder(tiers.backend())
        .clock(tiers.clock.clone())
        .save_every_request(true)
        .sweep(None);
    let mut guest = Visitor {
        sessions: every.build().unwrap(),
        ..guest
    };

    for _ in 0..20 {
        tiers.clock.advance(Duration::from_secs(24 * 60 * 60));
        guest.visit(|_| Ok(())).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.behind(&guest).reads("n").await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_increments_through_two_servers_with_one_cache_all_land() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let there = tiers.at_another(&guest);

    let mut requests = JoinSet::new();
    for server in [&guest, &there] {
        for _ in 0..100 {
            let mut visitor = server.clone();
            requests.spawn(async move { visitor.visit(increment).await.unwrap() });
        }
    }
    requests.join_all().await;

    assert_eq!(tiers.behind(&guest).reads("n").await, Some(201));
    assert_eq!(guest.reads("n").await, Some(201));
}

#[test]
fn both_tiers_must_be_stores() {
    let carried = || CookieBackend::new(&[7; 32]).unwrap();
    let errors = [
        WriteThroughBackend::new(MemoryStore::new(), carried()).unwrap_err(),
        WriteThroughBackend::new(carried(), MemoryStore::new()).unwrap_err(),
    ];

    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Config));
}

fn increment(session: &Session) -> cloakroom::Result<()> {
    session.update("n", |n: &mut u64| *n += 1).map(drop)
}

type Broken = Flaky<Arc<MemoryStore>>;

struct Tiers {
    copies: Arc<MemoryStore>,
    broken_front: Broken,
    memory: Arc<MemoryStore>,
    broken_back: Broken,
    gate: Gate<Broken>,
    back: Spy<Gate<Broken>>,
    clock: HandClock,
}

impl Tiers {
    fn new() -> Self {
        let copies = Arc::new(MemoryStore::new());
        let broken_front = Flaky::new(Arc::clone(&copies));
        let memory = Arc::new(MemoryStore::new());
        let broken_back = Flaky::new(Arc::clone(&memory));
        let gate = Gate::new(broken_back.clone());
        Self {
            copies,
            broken_front,
            memory,
            broken_back,
            back: Spy::new(gate.clone()),
            gate,
            clock: HandClock::new(),
        }
    }

    fn backend(&self) -> WriteThroughBackend {
        let front = Backend::new(self.broken_front.clone(), DefaultFormat::new());
        WriteThroughBackend::new(front, self.back.clone()).unwrap()
    }

    /// A visitor for whom `n = 1` is stored.
    async fn guest(&self) -> Visitor {
        let mut guest = self.visitor(self.backend(), None);
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        self.back.take();
        guest
    }

    /// The same visitor at another server with the same tiers, where nothing is held or broken.
    fn at_another(&self, visitor: &Visitor) -> Visitor {
        let front = Backend::new(Arc::clone(&self.copies), DefaultFormat::new());
        let backend = WriteThroughBackend::new(front, Arc::clone(&self.memory)).unwrap();
        self.visitor(backend, visitor.cookie.clone())
    }

    /// The same visitor at a server that knows of no copies.
    fn behind(&self, visitor: &Visitor) -> Visitor {
        self.visitor(Arc::clone(&self.memory), visitor.cookie.clone())
    }

    fn visitor(&self, backend: impl Into<Backend>, cookie: Option<String>) -> Visitor {
        let sessions = Sessions::builder(backend).clock(self.clock.clone());
        Visitor {
            sessions: sessions.sweep(None).build().unwrap(),
            cookie,
        }
    }

    /// Removes the copy, as a cache does when it is full.
    async fn forget(&self, visitor: &Visitor) {
        let cookie = visitor.cookie.as_deref().unwrap();
        let (_, key) = cookie.split_once('=').unwrap();
        let store_key = StoreKey::new(&Sha256::digest(key.as_bytes()));
        self.copies.delete(&store_key).await.unwrap();
    }

    fn break_cache(&self) {
        for call in [
            Call::Load,
            Call::Create,
            Call::Save,
            Call::Touch,
            Call::Delete,
        ] {
            self.broken_front
                .fail_every(1, call, When::Before, ErrorKind::Unavailable);
        }
    }
}
