//! The promises of the library, tested with a store whose calls are observed and made to fail.
//!
//! The promises of stores are tested by the conformance suite of `cloakroom-testkit`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod site;

mod adapters;
mod anonymous;
mod api;
mod bounds;
mod cached;
mod caches;
mod clocks;
mod cookie_backend;
mod cookies;
mod expiry;
mod failing_cache;
mod formats;
mod keys;
mod layers;
mod lifecycle;
mod moving;
mod nesting;
mod owners;
mod peers;
mod races;
mod saving;
mod shared_loads;
mod sweeping;
mod time_limits;
mod values;
mod vocabulary;
mod write_through;
