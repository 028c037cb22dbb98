//! What stores in which a Django has its sessions promise beside the [conformance suite](mod@cloakroom_testkit::conformance).
//!
//! [`django_cache!`](crate::django_cache!) and [`django_table!`](crate::django_table!) write the tests, one a promise;
//! each is a plain function as well. They want more than a store: somebody else on the same server, who reads and writes
//! there as a Django does.

pub mod cache;
mod django;
pub mod table;

pub use django::{holds, is_free, key, stale, written};
