//! Where entries are kept: the [`Store`] trait, what it is asked and what it answers.
//!
//! A store keeps bytes under a [`StoreKey`](crate::StoreKey) and compares versions. It knows no cookie, no key, no JSON and no clock.
//! To write one, implement [`Store`] and run the conformance suite of `cloakroom-testkit` on it.

mod any;
mod guarantees;
mod memory;
pub mod packed;
mod store;

pub use any::AnyStore;
pub use guarantees::Guarantees;
pub use memory::MemoryStore;
pub use store::Store;

pub use crate::model::{Cursor, Draft, Entry, Meta, Outcome, OwnedEntry, Page, SaveId, Version};
pub use crate::model::{after, from_micros, from_millis, micros, millis};
