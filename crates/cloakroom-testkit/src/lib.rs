//! What tests of sessions need: the conformance suite for stores, the suite of faults for stores
//! with a server, stores that fail on demand, a clock that is turned by hand, and a browser that
//! keeps cookies as strictly as real ones.
//!
//! * [`conformance!`] and [`conformance_shared!`] test what a [`Store`] promises, one test a promise. Cloakroom's own
//!   stores pass the same suite that is meant for yours.
//! * [`wrap`] has stores around a store: [`Spy`] writes down its calls, [`Flaky`] fails, [`Gate`] holds calls until
//!   the test lets them go on.
//! * [`HandClock`] is a clock for sessions and browser alike, and [`Log`] keeps what is logged.
//! * [`Browser`] asks a tower service and keeps its cookies.
//! * [`faults!`] tests what a store with a server does when that is killed, cut off, silent or full.
//!   You implement [`TestServer`](faults::TestServer) for your server; the suite brings the rest.
//! * [`Proxy`] forwards connections to a server and breaks them on demand. The suite of faults puts
//!   it between your store and your server.
//! * [`soak`] sets how long races and faults go on, in both suites.
//! * [`unique_name`] and [`reusable_port`] are for servers that several tests share and for those
//!   that a test kills.
//!
//! Only the suite of faults, the proxy and the limits on time ([`TIME_LIMIT`](conformance::TIME_LIMIT),
//! [`soak`]) sleep, open a port or read the real clock.
//!
//! [`Store`]: cloakroom::store::Store
//! [`Spy`]: wrap::Spy
//! [`Flaky`]: wrap::Flaky
//! [`Gate`]: wrap::Gate
//!
//! # A store of your own
//! This one is complete: it overrides nothing that the trait provides. `swept_by_backend` says that its `sweep` does
//! nothing; leave it out when yours works.
//! ```
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//!
//! use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
//! use cloakroom::{Result, StoreKey};
//!
//! #[derive(Default)]
//! struct Ledger(Mutex<HashMap<StoreKey, Entry>>);
//!
//! impl Store for Ledger {
//!     fn guarantees(&self) -> Guarantees {
//!         Guarantees::default().compares().revokes()
//!     }
//!
//!     async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
//!         Ok(self.0.lock().unwrap().get(key).cloned())
//!     }
//!
//!     async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
//!         let mut entries = self.0.lock().unwrap();
//!         if entries.contains_key(key) {
//!             return Ok(Outcome::Stale);
//!         }
//!         entries.insert(key.clone(), new.clone().into());
//!         Ok(Outcome::Written(new.version()))
//!     }
//!
//!     async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
//!         match self.0.lock().unwrap().get_mut(key) {
//!             Some(old) if old.version == *seen => *old = new.clone().into(),
//!             _ => return Ok(Outcome::Stale),
//!         }
//!         Ok(Outcome::Written(new.version()))
//!     }
//!
//!     async fn delete(&self, key: &StoreKey) -> Result<()> {
//!         self.0.lock().unwrap().remove(key);
//!         Ok(())
//!     }
//!
//!     async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
//!         match self.0.lock().unwrap().get_mut(key) {
//!             Some(old) if old.version == *seen => {
//!                 old.meta.touched = meta.touched;
//!                 old.meta.expires = meta.expires;
//!             }
//!             _ => return Ok(Outcome::Stale),
//!         }
//!         Ok(Outcome::Written(seen.clone()))
//!     }
//! }
//!
//! // In `tests/conformance.rs`; `cargo test` then shows `ledger::save_never_creates` and some forty others.
//! cloakroom_testkit::conformance!(ledger, Ledger::default(), swept_by_backend);
//!
//! // Each promise is a function as well, and fails with words.
//! use cloakroom_testkit::conformance;
//! conformance::run("a deleted entry stays deleted", async || {
//!     conformance::a_deleted_entry_stays_deleted(Ledger::default()).await;
//! });
//!
//! let broken = std::panic::catch_unwind(|| {
//!     conformance::run("sweeping", async || {
//!         conformance::sweep_deletes_exactly_the_expired(Ledger::default()).await;
//!     });
//! });
//! let words = broken.unwrap_err().downcast::<String>().unwrap();
//! assert!(words.contains("sweep takes exactly the dead; it says that it took another number"));
//! ```

mod browser;
pub use browser::{Browser, Cookie, Page, SameSite};

mod clock;
pub use clock::HandClock;

pub mod conformance;

pub mod faults;

mod log;
pub use log::Log;

mod ports;
pub use ports::reusable_port;

mod proxy;
pub use proxy::Proxy;

pub mod soak;

mod unique_name;
pub use unique_name::unique_name;

pub mod wrap;
