use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloakroom::store::Store;
use cloakroom::{Sessions, Sweep};

use super::faults::{A_WHILE, PATIENCE, answered, visitor, visits};
use super::traffic::{Ended, Traffic};
use crate::soak;

/// A site that has not been swept for long catches up while requests go on: two servers sweep in the background, no
/// request fails, the dead go and the living stay.
///
/// `open` opens the place again each time, `bury` puts so many expired sessions there, by whatever is quickest, and
/// `left` counts those that are there still, all of which expired at or before its argument.
///
/// They are [`FEW`] or, when [`soak`] has time, [`MANY`]; then it says how long it took.
pub async fn a_backlog_of_expired_sessions_is_swept_while_requests_continue<S: Store>(
    open: impl AsyncFn() -> S,
    bury: impl AsyncFn(usize),
    left: impl AsyncFn(SystemTime) -> usize,
) {
    let is_soak = !soak::time().is_zero();
    let (dead, sweep) = match is_soak {
        // As a site has it, but for the rest between two sweeps.
        true => (MANY, Sweep::default().interval(SOON)),
        false => (FEW, Sweep::default().interval(SOON).pause(SOON)),
    };
    let quiet = Arc::new(open().await);
    let quiet = sweeping(quiet, None);
    let mut living = Vec::new();
    for _ in 0..LIVING {
        living.push(answered("a session", async || visitor(&quiet).await).await);
    }
    bury(dead).await;
    let now = SystemTime::now();
    assert_eq!(left(now).await, dead, "they are there, and have expired");

    let calm = measured(&quiet, &quiet).await;
    let (one, other) = (open().await, open().await);
    let (one, other) = (Arc::new(one), Arc::new(other));
    let (one, other) = (sweeping(one, sweep), sweeping(other, sweep));
    let began = Instant::now();
    let mut traffic = Traffic::begin(vec![one, other]).await;
    let patience = if is_soak { LONG } else { PATIENCE };
    loop {
        traffic.flows().await;
        if left(now).await == 0 {
            break;
        }
        assert!(
            began.elapsed() < patience,
            "{} of {dead} are left after {patience:?}",
            left(now).await
        );
        if is_soak {
            // Counting is work, too.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    let took = began.elapsed();
    let busy = traffic.ends().await;

    assert_eq!(busy.failed, 0, "no request fails while the dead are swept");
    for key in &living {
        let there = answered("the living", async || visits(&quiet, key).await).await;
        assert!(there.is_some(), "a session that lives was swept");
    }
    if is_soak {
        let _ = writeln!(
            io::stderr(),
            "{dead} expired sessions swept in {took:.1?}; requests: {busy}; before: {calm}"
        );
    }
}

/// What requests are like without a sweep.
async fn measured(one: &Sessions, other: &Sessions) -> Ended {
    let mut traffic = Traffic::begin(vec![one.clone(), other.clone()]).await;
    traffic.flows().await;
    traffic.ends().await
}

fn sweeping<S: Store>(store: Arc<S>, sweep: impl Into<Option<Sweep>>) -> Sessions {
    let sessions = Sessions::builder(store).timeout(A_WHILE).sweep(sweep);
    sessions.build().expect("the options fit together")
}

/// How many have expired in a short test.
pub const FEW: usize = 20_000;

/// How many have expired when there is time.
pub const MANY: usize = 1_000_000;

const LIVING: usize = 50;

const SOON: Duration = Duration::from_millis(1);

/// A site's sweep takes some minutes for a million.
const LONG: Duration = Duration::from_secs(20 * 60);
