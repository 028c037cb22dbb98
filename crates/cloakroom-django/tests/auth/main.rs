//! Promises of the module `auth` that the vectors do not cover. The vectors are cases recorded from
//! a real Django.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod csrf;
mod logins;
mod messages;
mod odd_input;
mod passwords;
mod support;
mod tokens;
