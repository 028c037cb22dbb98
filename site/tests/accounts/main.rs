//! Logging in and out, passwords, and the browsers in which one is logged in.

// A helper of tests may panic as a test does.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod login;
mod passwords;
mod sessions;
