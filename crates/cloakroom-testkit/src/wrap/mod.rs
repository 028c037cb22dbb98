//! Stores around a store: to watch it, to make it fail, to hold its calls.
//!
//! Each wrapper is a [`Store`] and a handle: a clone shares everything with the original, so a test keeps one and
//! gives the other to the sessions. Wrappers nest.
//!
//! # Examples
//! ```
//! use cloakroom::{ErrorKind, StoreKey};
//! use cloakroom::store::{MemoryStore, Store};
//! use cloakroom_testkit::wrap::{Call, Flaky, Spy, When};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let flaky = Flaky::new(MemoryStore::new());
//! let spy = Spy::new(flaky.clone());
//!
//! flaky.fail_next(Call::Delete, When::After, ErrorKind::Unavailable);
//! let failed = spy.delete(&StoreKey::new(b"a store_key")).await.unwrap_err();
//!
//! assert_eq!(failed.kind(), ErrorKind::Unavailable);
//! assert_eq!(spy.take(), [Call::Delete]);
//! # }
//! ```

mod flaky;
mod gate;
mod spy;
mod wrap;

pub use flaky::Flaky;
pub use gate::Gate;
pub use spy::Spy;
pub(crate) use wrap::{Around, store_methods};
pub use wrap::{Call, When};
