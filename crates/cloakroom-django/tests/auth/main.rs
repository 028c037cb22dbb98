//! What the documentation of this crate promises beyond what the vectors of a real Django show.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod csrf;
mod house;
mod logins;
mod messages;
mod odd_input;
mod passwords;
mod tokens;
