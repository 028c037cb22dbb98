#![doc = include_str!("../README.md")]
//!
//! ## Guarantees
//! * **Compares**: the server compares CAS numbers (memcached's numbers for compare-and-swap), so
//!   no edit is lost, no matter how many processes save.
//! * **Revokes**: a deleted session is gone for every process. A save that is already running does
//!   not restore it.
//! * **Not durable**: a server that stops loses its sessions.
//! * **Shared**: all processes share the sessions if they use the same [`prefix`](Builder::prefix)
//!   and the same servers, and write the addresses in the URL in the same way.
//! * **Evicts**: a server that runs out of memory removes the least recently used sessions. Use
//!   dedicated servers for the sessions; on a shared server, cached pages displace them.
//! * **No owners**: memcached cannot list keys, so a user's sessions cannot be listed, and cannot
//!   be ended all at once.
//! * **At most 1 MiB less 4 KiB** per session by default; see [`max_size`](Builder::max_size).
//!
//! memcached removes a session five minutes after its expiry, so no sweep is needed. memcached
//! cannot represent times after January 2038: a session that expires later stays until it is
//! deleted or evicted.
//!
//! ## Several servers
//! Each session is on one server. The store chooses the server by the session's key and by the
//! addresses as written in the URL. The order of the addresses makes no difference. **Adding a
//! server ends some sessions**: the store then looks for these sessions on the new server, which
//! does not have them. Adding a third server ends one session in three.
//!
//! Sessions are not replicated, and no server takes over for one that is down. If two servers had
//! the same session, a logout could miss one of the two copies, and this copy would still open the
//! session. For the same reason, do not use a proxy that replicates or fails over, and use only
//! host names that resolve to one server each.
//!
//! ## When things go wrong
//! * **A server restarts**: its sessions are gone. Visitors have to log in again; no request fails.
//! * **A server is down or too slow**: calls for its sessions return
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable) within the [`timeout`](Builder::timeout).
//!   The visitor gets a 503 and keeps the cookie. Sessions on other servers are not affected.
//! * **A server is down, and another one is up**: new sessions, and sessions that get a new key at
//!   a login, avoid the server if no connection to it can be opened. The store reports a key on
//!   this server as taken, so the session layer draws another key. It draws up to eight keys for a
//!   new session: with one of two servers down, one new visitor in 256 still gets an error. A
//!   server that accepts connections but does not answer is not avoided. The sessions on the server
//!   that is down are not moved: their visitors get a 503 until it is back, and then have to log in
//!   again if it has restarted.
//! * **One of the site's machines cannot reach a server**: calls of that machine return
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable) in the same way. Other machines are not
//!   affected.
//! * **The memory of a server is full**: the server removes the least recently used sessions. If it
//!   was started with `-M`, calls that write return [`Full`](cloakroom::ErrorKind::Full) instead,
//!   and leave the session as it was. This includes a login, a touch, and a save that makes the
//!   session smaller, because memcached needs memory for the new item before it frees the old one.
//!   An outdated save may return `Full` instead of
//!   [`Stale`](cloakroom::store::Outcome::Stale). Loads and logouts need no memory.
//! * **The item limit of a server (`-I`) is too low for [`max_size`](Builder::max_size)**: a save
//!   above that limit returns [`TooLarge`](cloakroom::ErrorKind::TooLarge), and leaves the session
//!   as it was.
//!
//! ## In production
//! Let only the site's machines reach the servers: anyone who can connect can read and change every
//! session, and the connection is not encrypted. Do not start memcached with `-C`: it turns off CAS
//! numbers, and loads from such a server fail. Watch the number of `evictions` in the output of
//! `stats`: if it rises, visitors may be losing their sessions. The tests run against memcached
//! 1.6.18.
//!
//! ## Keys
//! Each session is one item. Its key consists of the prefix, `:` and the
//! [`StoreKey`](cloakroom::StoreKey) in hexadecimal digits. If such a key would be longer than the
//! 250 bytes that memcached allows, `h` and the SHA-256 of the store key, in hexadecimal digits,
//! come after the `:` instead. The value is the byte `02`, followed by the entry in the layout of
//! [`cloakroom::store::packed`].
//!
//! ## Cost
//! | call | round trips |
//! |---|---|
//! | load, create, delete | 1 |
//! | save | 1, or 2 if this process neither loaded the version that the save replaces nor wrote it with at most 4 KiB |
//! | touch | 2 |
//! | rename, at login | 3, or 4 if it leaves no tombstone; 1 more for a session above 4 KiB, or one that this process has not loaded |
//!
//! The server returns a value of up to 4 KiB after it was written, so that the next save needs no
//! load.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
