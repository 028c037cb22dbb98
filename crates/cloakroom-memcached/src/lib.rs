//! memcached as the store of [Cloakroom](cloakroom)'s sessions: quick, shared by machines, and forgetful.
//!
//! [`MemcachedStore`] is for Cloakroom's own sessions, and this page is about it. With the feature
//! `django`, `DjangoCache` shares the sessions of a Django that keeps them in its cache.
//!
//! One item per session, under `cloakroom:` and the lookup in hexadecimal digits. A load is one round trip, and so is a
//! save of what the same process has loaded, which is nearly every save. A touch is two, a login four.
//!
//! # Guarantees
//! * **Compares**: the server compares CAS numbers, so no edit is lost, however many processes save.
//! * **Revokes**: a deleted session is gone for everybody, and no save that was under way brings it back.
//! * **Not durable**: a server that ends takes its sessions with it.
//! * **Shared**: by all processes that have the same servers, spelled in the same way, and the same
//!   [`prefix`](Builder::prefix).
//! * **Evicts**: a server that runs short of memory drops the sessions that nobody has used for the longest time. Give
//!   the sessions servers of their own, or the pages that the site caches will push them out.
//! * **No owners**: memcached cannot list, so a user's sessions cannot be shown or ended all at once.
//! * **At most 1 MiB less 4 KiB** a session; see [`max_size`](Builder::max_size).
//!
//! memcached drops expired sessions by itself, five minutes after they expire. It keeps no time after January 2038: what
//! expires later stays until it is deleted or evicted.
//!
//! Whoever reaches a server's port may read and change every session: let only the site's machines reach it. There is no
//! encryption on the way.
//!
//! # Several servers
//! Each session is on one server, chosen by its key and the addresses as they stand in the URL; their order makes no
//! difference. **Adding a server ends some sessions**: those that the new one is to have from now on, one in three when
//! it is the third. Nothing is copied to a second server, and when one is down, no other takes its sessions over: two
//! servers that both think they have a session would bring logged-out ones back. For the same reason put no proxy in
//! between that replicates or fails over, and let each name lead to one server.
//!
//! # Its worst day
//! * **A server restarts**: its sessions are gone. Visitors are strangers and log in again; nobody sees an error.
//! * **A server is down or too slow**: calls for its sessions answer
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable) within the [`timeout`](Builder::timeout), the visitor sees 503
//!   and keeps the cookie. The sessions of other servers go on.
//! * **A network cut between one machine and a server**: the same, for that machine.
//! * **The memory is full**: sessions are evicted, the least used first. A server that was started with `-M` answers
//!   [`Full`](cloakroom::ErrorKind::Full) instead.
//! * **A server has a lower item limit (`-I`) than [`max_size`](Builder::max_size) promises**: a save that is too large
//!   for it ends the session, since memcached drops the item that it cannot replace. The error says so.
//!
//! # In production
//! memcached 1.6.10 or newer; it is tested with 1.6.18. Not with `-C`, which turns CAS numbers off: the store refuses
//! such a server. Watch `evictions` in its `stats`: more than none means that visitors lose their sessions.
//!
//! # Examples
//! ```no_run
//! use cloakroom::Sessions;
//! use cloakroom_memcached::MemcachedStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = Sessions::new(MemcachedStore::open("memcached://127.0.0.1:11211")?);
//! let session = sessions.new_session();
//! session.set("theme", "dark")?;
//! session.save().await?;
//! let key = session.key().expect("a saved session has a key");
//!
//! let session = sessions.open(&key).await?.expect("what was saved is there");
//! assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
//! # Ok(())
//! # }
//! ```

mod client;
#[cfg(feature = "django")]
mod django;
mod error;
mod exptime;
mod limit;
mod options;
mod servers;
mod store;
mod swap;
mod token_cache;
mod value;

#[cfg(feature = "django")]
pub use django::{DjangoCache, DjangoCacheBuilder};
pub use options::Builder;
pub use store::MemcachedStore;
