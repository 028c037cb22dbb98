//! A logout while another request of the visitor is held in a call of the store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::store::{MemoryStore, Store};
use cloakroom::{Backend, CachedBackend, ErrorKind, Item, Result, SessionKey, Sessions};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::HandClock;
use crate::wrap::{Call, Gate, When};

/// What a request does with the session.
#[derive(Clone, Copy, Debug)]
enum Request {
    Read,
    Write,
    /// Reads the session and thereby extends it.
    Slide,
    /// Gives the session a new key.
    Move,
}

/// The requests, each with the gate at which it is held.
const HELD: [(Request, When, Call); 8] = [
    (Request::Read, When::Before, Call::Load),
    (Request::Read, When::After, Call::Load),
    (Request::Write, When::Before, Call::Save),
    (Request::Write, When::After, Call::Save),
    (Request::Slide, When::Before, Call::Touch),
    (Request::Slide, When::After, Call::Touch),
    (Request::Move, When::Before, Call::Rename),
    (Request::Move, When::After, Call::Rename),
];

/// Holds requests that use the store `here`, and logs out through the store `there`. Asserts that
/// the session stays gone after the requests have continued.
pub(super) async fn logout_ends_held_requests<S: Store, T: Store>(here: Arc<S>, there: Arc<T>) {
    let guarantees = here.guarantees();
    // Stores without these guarantees promise a final logout only if there are no concurrent
    // requests. `a_delete_through_one_is_seen_by_the_other` covers a logout without such requests.
    if !(guarantees.compares && guarantees.revokes) {
        return;
    }
    let gate = Gate::new(here);
    // Starts at the real time, because a backend may delete entries that have really expired.
    let clock = HandClock::new();
    clock.set(SystemTime::now());
    let there_store = there;
    let there = sessions(there_store.clone(), &clock);
    for held in HELD {
        let (request, when, call) = held;
        // After a move to a new key, a logout can find the session only through the owner.
        if matches!((request, when), (Request::Move, When::After)) && !guarantees.owners {
            continue;
        }
        let here = sessions(gate.clone(), &clock);
        logs_out_while(&gate, held, [&here, &there, &there], &clock).await;

        // Repeats the test with a cache. The logout goes through the same cache, because another
        // cache may still serve the session for a moment. The logout does not go through the gate,
        // because the gate would hold the calls of the logout, too. A load is served from the
        // cache, so a request cannot be held in a load of the store.
        if call != Call::Load {
            let cache = Arc::new(MemoryStore::new());
            let origin = "a store can be the origin";
            let here = CachedBackend::new(cache.clone(), gate.clone()).expect(origin);
            let leaving = CachedBackend::new(cache, there_store.clone()).expect(origin);
            let (here, leaving) = (sessions(here, &clock), sessions(leaving, &clock));
            logs_out_while(&gate, held, [&here, &leaving, &there], &clock).await;
        }
    }
}

/// Creates a session through `witness`, holds a request through `here` and logs out through
/// `leaving`. Asserts that afterwards the session is gone for all three.
async fn logs_out_while<S: Store>(
    gate: &Gate<Arc<S>>,
    held: (Request, When, Call),
    [here, leaving, witness]: [&Sessions; 3],
    clock: &HandClock,
) {
    let (request, when, call) = held;
    let session = witness.new_session();
    session.set(VISITS, 0).expect("a number can be set");
    session.log_in("ada").expect("a new session can log in");
    session.save().await.expect("a session is created");
    let key = session.key().expect("a saved session has a key");
    let logout = leaving.open(&key).await.expect("load answers");
    let logout = logout.expect("the session was not ended yet");
    clock.advance(Duration::from_secs(1));

    gate.close(when, call);
    let held_request = tokio::spawn(perform(request, here.clone(), key.clone()));
    gate.reached(when, call, 1).await;
    logout.flush().expect("a session can be flushed");
    logout.save().await.expect("the store answers a logout");
    gate.open(when, call);
    let moved_to = match held_request.await.expect("the request does not panic") {
        Ok(key) => key,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{held:?}: {error:?}");
            None
        }
    };

    for key in [Some(key), moved_to].into_iter().flatten() {
        for site in [here, leaving, witness] {
            let found = site.open(&key).await.expect("load answers");
            assert!(
                found.is_none(),
                "a logout is final; the session is still there after {held:?}"
            );
        }
    }
}

/// Performs the request. Returns the key that the session has afterwards, or `None` if the session
/// is gone or the request only extends it.
async fn perform(
    request: Request,
    sessions: Sessions,
    key: SessionKey,
) -> Result<Option<SessionKey>> {
    if let Request::Slide = request {
        let mut headers = HeaderMap::new();
        let cookie = format!("__Host-session={}", key.reveal());
        let cookie = HeaderValue::from_str(&cookie).expect("a key is a cookie's value");
        headers.insert(header::COOKIE, cookie);
        let handle = sessions.begin(&headers);
        handle.open().await?;
        sessions.finish(&handle, StatusCode::OK).await?;
        return Ok(None);
    }
    let Some(session) = sessions.open(&key).await? else {
        return Ok(None);
    };
    match request {
        Request::Write => session.update(VISITS, |visits| *visits += 1).map(drop)?,
        Request::Move => session.cycle_key()?,
        Request::Read | Request::Slide => {}
    }
    session.save().await?;
    Ok(session.key())
}

fn sessions(backend: impl Into<Backend>, clock: &HandClock) -> Sessions {
    let sessions = Sessions::builder(backend)
        .clock(clock.clone())
        .slide_on_access(Duration::ZERO)
        .timeout(super::TIME_LIMIT)
        .sweep(None);
    sessions.build().expect("the options are valid")
}

const VISITS: Item<u64> = Item::new("visits");
