//! Wrappers around a store that record its calls, make them fail, or hold them.
//!
//! Each wrapper implements [`Store`](cloakroom::store::Store). Clones share their state, so a test
//! keeps one clone and passes another to [`Sessions`](cloakroom::Sessions). A wrapper can wrap
//! another wrapper.
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
//! let failed = spy.delete(&StoreKey::new(b"a store key")).await.unwrap_err();
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
