//! A logout while the requests of the same visitor are held up at every door.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::store::{MemoryStore, Store};
use cloakroom::{Backend, CachedBackend, ErrorKind, Item, Result, SessionKey, Sessions};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::HandClock;
use crate::wrap::{Call, Gate, When};

/// What a visitor's request does.
#[derive(Clone, Copy, Debug)]
enum Request {
    Read,
    Write,
    /// Reads, and the session lasts longer for it.
    Slide,
    /// Gives the session a new key.
    Move,
}

/// A request and the door at which it is held.
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

/// Holds requests through `here` and logs out through `there`; whatever they do then, the session is gone.
pub(super) async fn ends_what_is_under_way<S: Store, T: Store>(here: Arc<S>, there: Arc<T>) {
    let guarantees = here.guarantees();
    // Of others a logout is a promise only if nobody does anything else, which is another test's.
    if !(guarantees.compares && guarantees.revokes) {
        return;
    }
    let gate = Gate::new(here);
    // Real time, since the backend may drop what has expired; and at each look later than before.
    let clock = HandClock::new();
    clock.set(SystemTime::now());
    let there = sessions(there, &clock);
    for held in HELD {
        let (request, when, call) = held;
        // A session that has moved can be followed by its owner only.
        if matches!((request, when), (Request::Move, When::After)) && !guarantees.owners {
            continue;
        }
        let here = sessions(gate.clone(), &clock);
        logs_out_while(&gate, held, [&here, &there, &there], &clock).await;

        // A front sees at once what its own server ends. What it remembers it does not load.
        if call != Call::Load {
            let front = CachedBackend::new(MemoryStore::new(), gate.clone());
            let front = front.expect("a store can be the origin");
            let front = sessions(front, &clock);
            logs_out_while(&gate, held, [&front, &front, &there], &clock).await;
        }
    }
}

/// The request is held `here`, the logout comes by `leaving`, and both and the `witness` know that the session is gone.
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
    let key = session.key().expect("it was saved");
    let leaves = leaving.open(&key).await.expect("load answers");
    let leaves = leaves.expect("nobody has ended it yet");
    clock.advance(Duration::from_secs(1));

    gate.close(when, call);
    let under_way = tokio::spawn(ask(request, here.clone(), key.clone()));
    gate.reached(when, call, 1).await;
    leaves.flush().expect("a session can be flushed");
    leaves.save().await.expect("a logout is answered");
    gate.open(when, call);
    let moved_to = match under_way.await.expect("nothing panics") {
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
                "a logout ends whatever is under way; the session is alive after {held:?}"
            );
        }
    }
}

/// The key that the session has afterwards, if it has got a new one.
async fn ask(request: Request, sessions: Sessions, key: SessionKey) -> Result<Option<SessionKey>> {
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
    sessions.build().expect("the options fit together")
}

const VISITS: Item<u64> = Item::new("visits");
