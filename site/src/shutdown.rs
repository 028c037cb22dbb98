//! Waits for the signals that stop the site: SIGTERM and SIGINT.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The time that requests in progress have to finish once the site stops.
pub const GRACE: Duration = Duration::from_secs(30);

/// Starts listening for SIGTERM and SIGINT. The returned future completes when the first of them
/// arrives.
///
/// # Panics
/// If called outside a Tokio runtime.
pub fn signal_received() -> impl Future<Output = ()> + Send + 'static {
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    async move {
        let name = tokio::select! {
            () = next(&mut terminate) => "SIGTERM",
            () = next(&mut interrupt) => "SIGINT",
        };
        tracing::info!("{name}: no new connections; finishing the requests in progress");
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::warn!("listening for a signal that stops the site: {error}"))
        .ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
