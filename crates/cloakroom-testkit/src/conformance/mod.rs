//! The conformance suite: one test for each promise of the
//! [`Store`](cloakroom::store::Store) trait.
//!
//! [`conformance!`](crate::conformance!) generates the tests. Each promise is also a function in
//! this module, for a test runner of your choice. [`all`] tests every promise.
//!
//! # What a store needs
//!
//! Each promise needs an empty store that no other test uses, such as one with its own table,
//! database or prefix. Except in tests of `sweep` and of a past expiry, all entries expire in the
//! year 2100 or later, so that a backend does not delete them during a test.
//!
//! # What the guarantees change
//!
//! If a store's [`guarantees`](cloakroom::store::Store::guarantees) exclude a promise, the test is
//! not skipped. It tests a weaker promise instead:
//!
//! | guarantee | without it, a store must still… |
//! |---|---|
//! | `compares` | write an entry as a whole or not at all, never create one with `save`, `touch` or `rename`, keep a deleted entry deleted unless a save is still running, and make `Session::take` return `Unsupported` |
//! | `revokes` | no longer load a deleted entry through the instance of the store that deleted it |
//! | `owners` | store owners, and return `Unsupported` when asked to list them |
//! | `scans` | return `Unsupported` when asked to list all entries |
//! | `tombstones` | leave the old key free after a `rename`, which is then called without a tombstone |
//!
//! Every store must keep an owner and a label of the maximum length in
//! [`limits`](cloakroom::limits), and an entry of 16 MiB or, if that is smaller, of the store's
//! `max_size`. If its `max_size` is at most 1 MiB, the store must refuse data that is one byte
//! larger than `max_size` with `TooLarge`, and change nothing.
//!
//! The guarantees `durable`, `shared` and `evicts` are not tested here.
//! [`conformance_shared!`](crate::conformance_shared!) tests `shared`.
//! [`faults!`](crate::faults!) tests `durable` by killing the server of the store.
//!
//! # Stores that keep only a part of an entry
//!
//! If another program determines the layout of a store's table or cache, the store may have no
//! place for owners and labels. [`OnlyText`] adapts a store that keeps a text and its expiry.
//! [`OnlyBytes`] adapts a store that keeps bytes and a lifetime.

mod conformance;
mod contents;
mod create;
mod delete;
mod dropped;
mod keep;
mod logout;
mod only;
mod owners;
mod race;
mod rename;
mod run;
mod sample;
mod save;
pub mod shared;
mod sweep;
mod take;
mod tombstone;
mod touch;

pub use conformance::all;
pub use contents::*;
pub use create::*;
pub use delete::*;
pub use dropped::*;
pub use keep::Keep;
pub use only::{Only, OnlyBytes, OnlyText};
pub use owners::*;
pub use race::{a_logout_is_not_undone_by_concurrent_saves, concurrent_increments_add_up};
pub use rename::*;
pub(crate) use run::run_within;
pub use run::{TIME_LIMIT, run};
pub use sample::{draft, store_key};
pub use save::*;
pub use sweep::*;
pub use take::one_of_parallel_requests_takes_an_item;
pub use tombstone::*;
pub use touch::*;
