//! Files as the store of [Cloakroom](cloakroom)'s sessions: [`FileStore`]. On Unix.
//!
//! # Features
//!
//! * `django`: Django's engine `file`, in the module `django`.

#![cfg(unix)]

#[cfg(feature = "django")]
pub mod django;
mod entries;
mod fault;
mod folder;
mod owners;
mod place;
mod record;
mod root;
mod store;
mod sweep;
mod threads;

pub use store::FileStore;
