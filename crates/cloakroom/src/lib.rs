#![cfg_attr(docsrs, feature(doc_cfg))]
// Without the feature `tower`, links to the layer are broken. Builds with the feature check them.
#![cfg_attr(not(feature = "tower"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(feature = "axum-08", doc = include_str!("../README.md"))]
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`Session`] | what a handler works with |
//! | [`Sessions`], [`SessionsBuilder`] | the sessions of a site and their options |
//! | [`Cookie`], [`Sweep`] | the cookie; the deletion of expired entries |
//! | [`SessionHandle`] | the unopened session of a request, for middleware |
//! | [`tower`] | the layer; with the feature `axum-08`, [`Session`] and [`SessionHandle`] are extractors |
//! | [`store`] | the [`Store`](store::Store) trait and [`MemoryStore`](store::MemoryStore) |
//! | [`CachedBackend`], [`WriteThroughBackend`] | a store with a cache in front of it |
//! | [`CookieBackend`] | sessions encrypted in the cookie |
//! | [`format`](mod@format) | how keys and entries are encoded; by default as [`DefaultFormat`](format::DefaultFormat) |
//! | [`limits`] | the bounds of owners, labels, names and sizes, and of clock skew |
//! | [`Error`], [`ErrorKind`] | what can go wrong, and the status of the response |
//!
//! # Features
//!
//! * `axum-08` (default): extractors for axum 0.8. Includes `tower`.
//! * `tower`: the [`SessionLayer`](tower::SessionLayer).
//! * `uuid`: `Owner: From<Uuid>`, for sites whose users have UUIDs.
//!
//! Without features, you write an adapter that calls [`Sessions::begin`] before the handler and
//! [`Sessions::finish`] after it.
//!
//! # Runtime
//!
//! This crate needs tokio with its timer (`enable_time`, which `#[tokio::main]` turns on): commits
//! run on their own tasks, and store calls have a time limit.

mod adapters;
mod backend;
pub mod format;
mod http;
mod model;
pub mod session;
mod sessions;
pub mod store;

#[cfg(feature = "tower")]
pub use adapters::tower;
pub use backend::{Backend, CachedBackend, CookieBackend, WriteThroughBackend};
pub use http::{
    CacheControl, Completion, Cookie, CookieAttributes, Effects, HandlerError, SameSite, SetCookie,
};
pub use model::limits;
pub use model::{
    Clock, Error, ErrorKind, Expiry, Item, Owner, Result, SessionKey, SessionTag, StoreKey,
    SystemClock,
};
pub use session::{OverLimit, Session, SessionHandle};
pub use sessions::{SessionSummary, Sessions, SessionsBuilder, Sweep};

/// Compiles the programs in the repository's README and guide as doc tests.
#[cfg(all(doctest, feature = "axum-08"))]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/guide.md")]
struct Pages;
