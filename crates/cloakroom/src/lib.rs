//! Sessions for web services, with the semantics of Django's: arbitrary data per visitor, reached by name, kept on the
//! server, tied to the browser by a cookie that carries only a key.
//!
//! ```
//! # #[cfg(feature = "axum-08")] {
//! use axum::{Router, routing::get};
//! use cloakroom::{Item, Session, Sessions, store::MemoryStore};
//!
//! const VISITS: Item<u64> = Item::new("num_visits");
//!
//! async fn index(session: Session) -> cloakroom::Result<String> {
//!     let visits = session.update(VISITS, |n| *n += 1)?;
//!     Ok(format!("You have visited this page {visits} times."))
//! }
//!
//! let sessions = Sessions::new(MemoryStore::new());
//! let app: Router = Router::new().route("/", get(index)).layer(sessions.layer());
//! # }
//! ```
//!
//! # What you may rely on
//!
//! * **An answered edit is a saved edit.** Requests of one visitor run in parallel and wait for nobody. Each records
//!   its edits; they are saved by compare-and-swap before the response goes out, and done again on the fresh state if
//!   another request saved first. This holds from the moment the browser has a key: parallel *first* requests begin
//!   several sessions, and the browser keeps one. `set(name, get(name) + 1)` is two steps and can lose;
//!   [`update`](Session::update) cannot.
//! * **Logged out stays logged out.** Saving never creates. No slow request brings a deleted session back.
//! * **Untouched costs nothing.** A request that does not open its session makes no store call and sets no header. A
//!   visitor for whom nothing is stored leaves no entry and gets no cookie.
//! * **A stolen store opens no session.** The store holds a hash of the key, never the key.
//!
//! What a store cannot promise, its [`guarantees`](store::Store::guarantees) say.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`Session`] | what a handler works with |
//! | [`Sessions`], [`SessionsBuilder`] | a site's sessions and how they behave |
//! | [`Cookie`], [`Sweep`] | the cookie, and the deleting of what has expired |
//! | [`SessionHandle`] | the session of a request, unopened: for middleware |
//! | [`tower`] | the layer; with the feature `axum-08`, [`Session`] and [`SessionHandle`] are extractors |
//! | [`store`] | the [`Store`](store::Store) trait and the stores that need no driver |
//! | [`CachedBackend`], [`WriteThroughBackend`], [`CookieBackend`] | two tiers, of two kinds; sessions sealed in the cookie |
//! | [`format`](mod@format) | how keys and entries look; [`DefaultFormat`](format::DefaultFormat) is the default |
//! | [`Error`] | what can go wrong, and with which status a service answers it |
//!
//! Stores with a driver are crates of their own, `cloakroom-sqlite` for instance. `cloakroom-testkit` has the suite
//! that every store passes, and what tests of sessions need.
//!
//! # Features
//!
//! * `axum-08` (default): extractors for axum 0.8; includes `tower`.
//! * `tower`: the [`SessionLayer`](tower::SessionLayer).
//! * `uuid`: users are named by UUIDs: `Owner: From<Uuid>`.
//!
//! Without features, [`Sessions::begin`] and [`Sessions::finish`] are the whole adapter.
//!
//! # Runtime
//!
//! Commits run on tasks of their own, and calls of a store have a time limit, so this needs tokio with its timer
//! (`enable_time`, which `#[tokio::main]` turns on).

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
pub use http::{Completion, Cookie, CookieAttributes, Effects, HandlerError, SameSite, SetCookie};
pub use model::{
    Clock, Error, ErrorKind, Expiry, Item, Owner, Result, SessionKey, SessionTag, StoreKey,
    SystemClock,
};
pub use session::{Session, SessionHandle};
pub use sessions::{SessionSummary, Sessions, SessionsBuilder, Sweep};

/// The programs in the README compile.
#[cfg(all(doctest, feature = "axum-08"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
