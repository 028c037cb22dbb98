//! What the program says on stderr while it serves.

use std::{
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Begins to write the log to stderr, as `format` says; `RUST_LOG` chooses what is in it. Panics are lines of it, too.
///
/// # Panics
/// If the program has a log already.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter);
    match format {
        LogFormat::Human => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init(),
    }
    panic::set_hook(Box::new(log_panic));
}

/// Where it was, and its words if they stand in the program: others may quote what a visitor has typed.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let words = panic.payload().downcast_ref::<&'static str>();
    tracing::error!(place, words, "a panic");
}
