//! When to stop: at SIGTERM and SIGINT.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long requests that have begun may take to finish once the site has been told to stop.
pub const GRACE: Duration = Duration::from_secs(30);

/// Listens for SIGTERM and SIGINT from now on; the future is ready when the first of them comes.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn signal_received() -> impl Future<Output = ()> + Send + 'static {
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    async move {
        let name = tokio::select! {
            () = next(&mut terminate) => "SIGTERM",
            () = next(&mut interrupt) => "SIGINT",
        };
        tracing::info!("{name}: no new connections; finishing the requests that have begun");
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::warn!("listening for a signal to stop: {error}"))
        .ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
