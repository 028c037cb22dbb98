//! Visitors use the site with a real browser and the real program.
#![cfg(unix)]
// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod keyboard;
mod loans;
mod logout;
mod looks;
mod own_sessions;
mod password;
mod remembered;
mod tools;
mod visits;
mod without_javascript;
