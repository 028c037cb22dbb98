//! The log, written to stderr.

use std::{
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts writing the log to stderr in `format`. The environment variable `RUST_LOG` filters the
/// lines; the default filter is `info`. Panics are logged as well.
///
/// # Panics
/// If the program has a global log subscriber already.
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

/// Logs where the program panicked, and the message if it is a string literal. A formatted message
/// is left out because it may contain input of a visitor.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let words = panic.payload().downcast_ref::<&'static str>();
    tracing::error!(place, words, "a panic");
}
