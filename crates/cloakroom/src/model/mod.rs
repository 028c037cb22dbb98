//! Plain types without I/O, on which the rest of the crate builds.

mod clock;
mod data;
mod entry;
mod error;
mod expiry;
mod item;
mod json;
mod key;
pub mod limits;
mod owner;
mod page;
mod record;
mod tombstone;
mod version;

pub(crate) use clock::storable;
pub use clock::{Clock, SystemClock, after, from_micros, from_millis, micros, millis};
pub use data::{Items, SessionData, Value};
pub use entry::{Draft, Entry, Meta, Outcome, OwnedEntry};
pub use error::{Error, ErrorKind, Result};
pub use expiry::Expiry;
pub use item::{Accepts, Item, ItemName, Name, NameOf};
pub use key::{SessionKey, SessionTag, StoreKey};
pub use owner::Owner;
pub use page::{Cursor, Page};
pub(crate) use record::{EntryRef, Record, SavedEntry};
pub use tombstone::Tombstone;
pub use version::{SaveId, Version};
