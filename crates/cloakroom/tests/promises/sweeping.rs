//! The background sweep.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::store::{Outcome, Store};
use cloakroom::{Clock, ErrorKind, Sweep};
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::wrap::{Call, When};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::site::Site;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn expired_sessions_are_swept_in_batches_while_requests_continue() {
    let site = sweeping();
    for _ in 0..95 {
        site.guest().await;
    }
    site.clock.advance(15 * 24 * 60 * MINUTE);
    let alive = site.guest().await;
    alive.open().await;
    site.spy.take();

    tokio::time::sleep(2 * MINUTE).await;

    assert_eq!(site.memory.len(), 1);
    assert!(
        site.spy.count(Call::Sweep) >= 10,
        "each call deletes at most ten entries"
    );
    assert_eq!(alive.reads("n").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_long_sweep_logs_its_progress() {
    let site = Site::with(|builder| builder.sweep(Sweep::default().interval(MINUTE).batch(500)));
    for n in 0..25_000 {
        let mut expired = draft(n);
        expired.meta.expires = site.clock.now() - MINUTE;
        let created = site.memory.create(&store_key(n), &expired).await.unwrap();
        assert!(matches!(created, Outcome::Written(_)));
    }
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    site.visitor().open().await;

    tokio::time::sleep(2 * MINUTE).await;

    assert_eq!(
        *log.0.lock().unwrap(),
        [
            "expired sessions deleted so far swept=10000",
            "expired sessions deleted so far swept=20000",
            "expired sessions deleted swept=25000",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn sweeping_continues_after_an_error() {
    let site = sweeping();
    site.guest().await;
    site.clock.advance(15 * 24 * 60 * MINUTE);
    site.visitor().open().await;
    site.flaky
        .fail_next(Call::Sweep, When::Before, ErrorKind::Unavailable);

    tokio::time::sleep(5 * MINUTE).await;

    assert!(site.memory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn sweeping_can_be_turned_off_and_called_manually() {
    let site = Site::new();
    site.guest().await;
    site.clock.advance(15 * 24 * 60 * MINUTE);
    site.visitor().open().await;

    tokio::time::sleep(24 * 60 * MINUTE).await;
    assert_eq!(site.spy.count(Call::Sweep), 0);
    assert_eq!(site.sessions.sweep(100).await.unwrap(), 1);
    assert!(site.memory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn sweeping_ends_when_the_last_clone_of_sessions_is_dropped() {
    let site = sweeping();
    site.visitor().open().await;
    let spy = site.spy.clone();
    drop(site);

    tokio::time::sleep(5 * MINUTE).await;

    assert_eq!(spy.count(Call::Sweep), 0);
}

#[test]
fn sweeping_restarts_in_another_runtime() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let site = sweeping();
    runtime().block_on(site.visitor().open());

    runtime().block_on(async {
        site.visitor().open().await;
        tokio::time::sleep(5 * MINUTE).await;
    });

    assert!(site.spy.count(Call::Sweep) > 0);
}

fn sweeping() -> Site {
    Site::with(|builder| builder.sweep(Sweep::default().interval(MINUTE).batch(10)))
}

/// Collects the log lines of level `INFO` and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.0.insert_str(0, &format!("{value:?}")),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}
