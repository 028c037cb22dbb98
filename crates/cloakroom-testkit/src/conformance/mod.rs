//! The conformance suite: what a store promises, one test a promise.
//!
//! [`conformance!`](crate::conformance!) writes the tests. Each promise is also a plain function here, for a test
//! runner of your own; [`all`] runs them one after the other.
//!
//! # What a store has to bring
//! Each promise gets a store of its own, with nothing in it: a table, a database or a prefix that no other test uses.
//! The suite's present is the first day of the year 2100, so no backend drops an entry while it is being tested.
//!
//! # What the guarantees change
//! What a store's [`guarantees`](cloakroom::store::Store::guarantees) exclude is not skipped; the honest
//! alternative is tested:
//!
//! | a store that is not… | must still… |
//! |---|---|
//! | `compares` | write all of an entry or nothing, never create by `save`, `touch` or `rename`, and keep a delete after which nobody saves |
//! | `revokes` | keep a delete for whoever deleted |
//! | `owners` | keep owners, and answer `Unsupported` when asked to list |
//! | without `max_size` | keep a megabyte; with it, refuse one byte more as `TooLarge` and change nothing |
//!
//! A store on somebody else's table may keep a text and its expiry and nothing else of an entry: neither owner nor
//! label, and no bytes that are no text. [`OnlyText`] stands between it and the suite. Before a store on somebody else's
//! cache, which keeps bytes for some time and nothing else, stands [`OnlyBytes`].
//!
//! `durable`, `shared` and `evicts` are not tested here: [`conformance_shared!`](crate::conformance_shared!) tests
//! what `shared` says, and a suite cannot pull the plug.

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
pub use touch::*;
