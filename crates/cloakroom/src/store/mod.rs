//! The [`Store`] trait, its types, and the stores that need no driver.
//!
//! A store keeps bytes under a [`StoreKey`](crate::StoreKey) and compares versions. Other layers
//! handle cookies, session keys, the encoding of the data and the clock. To write a store,
//! implement [`Store`] and run the conformance suite of `cloakroom-testkit` on it.
//!
//! | | |
//! |---|---|
//! | [`Store`] | the trait, with its contract and a complete example |
//! | [`MemoryStore`] | sessions in the memory of this process |
//! | [`AnyStore`] | a store whose type is chosen at run time |
//! | [`Entry`], [`Draft`], [`Meta`], [`Version`] | what a store returns and takes |
//! | [`packed`] | a session as one value, for stores that keep one value per key |

mod any;
mod guarantees;
mod memory;
pub mod packed;
mod store;

pub use any::AnyStore;
pub use guarantees::Guarantees;
pub use memory::MemoryStore;
pub use store::Store;

pub use crate::model::{
    Cursor, Draft, Entry, Meta, Outcome, OwnedEntry, Page, SaveId, Tombstone, Version,
};
pub use crate::model::{after, from_micros, from_millis, micros, millis};
