//! What the library promises, against a watched and breakable store. What a store promises is in the testkit.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod site;

mod adapters;
mod api;
mod cached;
mod cookie_backend;
mod expiry;
mod formats;
mod keys;
mod lifecycle;
mod moving;
mod owners;
mod peers;
mod races;
mod saving;
mod sweeping;
mod vocabulary;
mod write_through;
