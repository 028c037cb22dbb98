use std::sync::Arc;

use cloakroom::store::Store;
use cloakroom::{ErrorKind, Item, Result, SessionKey, Sessions};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::race::join_all;
use crate::soak;

/// Parallel requests in two processes of a site [take](cloakroom::Session::take) the same item.
/// Exactly one of the requests gets the item.
///
/// In a store that does not compare versions, taking is [`Unsupported`](ErrorKind::Unsupported) and
/// removes nothing.
pub async fn one_of_parallel_requests_takes_an_item<S: Store>(store: S) {
    let store = Arc::new(store);
    test_taking(store.clone(), store).await;
}

/// Tests [`one_of_parallel_requests_takes_an_item`] with half of the requests on each store.
pub(super) async fn test_taking<S: Store, T: Store>(one: Arc<S>, other: Arc<T>) {
    let compares = one.guarantees().compares;
    let processes = [sessions(one), sessions(other)];
    for round in soak::rounds(ROUNDS) {
        let session = processes[0].new_session();
        let token = round as u64;
        session.set(TOKEN, token).expect("a number can be set");
        session.save().await.expect("a session is created");
        let key = session.key().expect("a saved session has a key");

        let start = Arc::new(Barrier::new(2 * REQUESTS));
        let mut requests = JoinSet::new();
        for process in &processes {
            for _ in 0..REQUESTS {
                requests.spawn(take(process.clone(), key.clone(), Arc::clone(&start)));
            }
        }
        let answers = join_all(requests).await;

        let left = processes[1].open(&key).await.expect("load answers");
        let left = left.expect("the session is not ended");
        let left = left.get(TOKEN).expect("the item is a number");
        if compares {
            let taken: Result<Vec<_>> = answers.into_iter().collect();
            let mut taken = taken.expect("a take answers while others take");
            taken.retain(Option::is_some);
            assert_eq!(
                taken,
                [Some(token)],
                "exactly one of parallel requests takes the item"
            );
            assert_eq!(left, None, "an item that was taken is gone");
        } else {
            for answer in answers {
                assert_eq!(
                    answer.map_err(|error| error.kind()),
                    Err(ErrorKind::Unsupported),
                    "taking is `Unsupported` in a store that does not compare versions"
                );
            }
            assert_eq!(left, Some(token), "nothing was taken");
        }
    }
}

/// Opens the session, waits until all other requests have opened it, too, and takes the item.
async fn take(process: Sessions, key: SessionKey, start: Arc<Barrier>) -> Result<Option<u64>> {
    let session = process.open(&key).await.expect("load answers");
    start.wait().await;
    let session = session.expect("the session was saved");
    session.take(TOKEN).await
}

fn sessions<S: Store>(store: Arc<S>) -> Sessions {
    let sessions = Sessions::builder(store)
        .timeout(super::TIME_LIMIT)
        .sweep(None);
    sessions.build().expect("the options are valid")
}

const TOKEN: Item<u64> = Item::new("token");

const ROUNDS: usize = 5;

/// The number of parallel requests in each process.
const REQUESTS: usize = 4;
