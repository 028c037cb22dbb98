//! Login and logout, passwords, and the list of a user's sessions.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod login;
mod passwords;
mod sessions;
