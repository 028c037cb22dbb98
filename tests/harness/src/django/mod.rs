//! Tests of stores that share their sessions with Django, in addition to the
//! [conformance suite](mod@cloakroom_testkit::conformance).
//!
//! [`django_cache!`](crate::django_cache!) and [`django_table!`](crate::django_table!) generate one
//! test for each promise. Each test calls the function with the name of the promise, in [`cache`]
//! or [`table`]. In addition to the store, the tests need a second client of the server, which
//! reads and writes as Django does.

pub mod cache;
mod django;
pub mod table;

pub use django::{holds, is_free, key, stale, written};
