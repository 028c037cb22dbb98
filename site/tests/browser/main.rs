//! What people do, with a real browser against the real program: one file per story.
#![cfg(unix)]
// The helpers below may panic as the tests do.
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
