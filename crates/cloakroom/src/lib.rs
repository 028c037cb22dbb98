//! Sessions (under construction).

mod clock;
mod config;
mod cookie;
mod effects;
mod error;
pub mod format;
pub mod session;
mod sessions;
mod shelf;
pub mod store;
mod sweep;

#[cfg(feature = "axum-08")]
mod axum;
#[cfg(feature = "tower")]
pub mod tower;

pub use clock::{Clock, SystemClock};
pub use config::SessionsBuilder;
pub use cookie::{Cookie, SameSite, SetCookie};
pub use effects::Effects;
pub use error::{Error, ErrorKind, Result};
pub use session::key::{Key, Lookup, Owner, Tag};
pub use session::{Expiry, Handle, Item, Session};
pub use sessions::{Sessions, Summary};
pub use shelf::Shelf;
pub use sweep::Sweep;
