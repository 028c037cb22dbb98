use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloakroom::store::Store;
use cloakroom::{Sessions, Sweep};

use super::faults::{CALL_TIMEOUT, WAIT_LIMIT, new_visitor, retry, visits};
use super::traffic::{Stats, Traffic};
use crate::soak;

/// A backlog of expired sessions is swept while requests continue. Two processes sweep in the
/// background. No request fails, all expired sessions are deleted, and unexpired sessions are kept.
///
/// * `open` opens a store. All stores that it opens must have the same entries.
/// * `write_expired` writes the given number of expired sessions as fast as it can, for example
///   with one SQL statement.
/// * `count_expired` counts the sessions in the store that have expired at the given time.
///
/// The backlog has 20,000 sessions. If a [`soak`] time is set, the backlog has a million, and the
/// test prints how long the sweep took and how long requests took during the sweep.
/// [`faults!`](crate::faults!) does not include this promise, because `write_expired` and
/// `count_expired` are different for each store. Call this function in your own test with
/// [`run`](super::run).
pub async fn a_backlog_of_expired_sessions_is_swept_while_requests_continue<S: Store>(
    open: impl AsyncFn() -> S,
    write_expired: impl AsyncFn(usize),
    count_expired: impl AsyncFn(SystemTime) -> usize,
) {
    let is_soak = !soak::time().is_zero();
    let (expired, sweep) = match is_soak {
        // The default sweep, but with a short interval.
        true => (MANY, Sweep::default().interval(SHORT_INTERVAL)),
        false => (
            FEW,
            Sweep::default()
                .interval(SHORT_INTERVAL)
                .pause(SHORT_INTERVAL),
        ),
    };
    let unswept = Arc::new(open().await);
    let unswept = sweeping(unswept, None);
    let mut unexpired = Vec::new();
    for _ in 0..UNEXPIRED {
        unexpired.push(retry("a session", async || new_visitor(&unswept).await).await);
    }
    write_expired(expired).await;
    let now = SystemTime::now();
    assert_eq!(
        count_expired(now).await,
        expired,
        "`write_expired` writes the whole backlog"
    );

    let calm = measured(&unswept, &unswept).await;
    let (one, other) = (open().await, open().await);
    let (one, other) = (Arc::new(one), Arc::new(other));
    let (one, other) = (sweeping(one, sweep), sweeping(other, sweep));
    let began = Instant::now();
    let mut traffic = Traffic::begin(vec![one, other]).await;
    let limit = if is_soak { SOAK_WAIT_LIMIT } else { WAIT_LIMIT };
    loop {
        traffic.wait_until_served().await;
        if count_expired(now).await == 0 {
            break;
        }
        assert!(
            began.elapsed() < limit,
            "{} of {expired} expired sessions are left after {limit:?}",
            count_expired(now).await
        );
        if is_soak {
            // Counts rarely, because counting also slows the server down.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    let took = began.elapsed();
    let busy = traffic.finish().await;

    assert_eq!(busy.failed, 0, "no request fails during the sweep");
    for key in &unexpired {
        let there = retry("an unexpired session", async || visits(&unswept, key).await).await;
        assert!(there.is_some(), "an unexpired session was swept");
    }
    if is_soak {
        let _ = writeln!(
            io::stderr(),
            "{expired} expired sessions swept in {took:.1?}; requests during the sweep: {busy}; \
             before the sweep: {calm}"
        );
    }
}

/// Measures requests without a sweep.
async fn measured(one: &Sessions, other: &Sessions) -> Stats {
    let mut traffic = Traffic::begin(vec![one.clone(), other.clone()]).await;
    traffic.wait_until_served().await;
    traffic.finish().await
}

fn sweeping<S: Store>(store: Arc<S>, sweep: impl Into<Option<Sweep>>) -> Sessions {
    let sessions = Sessions::builder(store).timeout(CALL_TIMEOUT).sweep(sweep);
    sessions.build().expect("the options are valid")
}

/// The number of expired sessions in the backlog if no [`soak`] time is set.
pub const FEW: usize = 20_000;

/// The number of expired sessions in the backlog if a [`soak`] time is set.
pub const MANY: usize = 1_000_000;

const UNEXPIRED: usize = 50;

const SHORT_INTERVAL: Duration = Duration::from_millis(1);

/// Sweeping a million sessions takes a few minutes.
const SOAK_WAIT_LIMIT: Duration = Duration::from_secs(20 * 60);
