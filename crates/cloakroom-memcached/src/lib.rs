#![doc = include_str!("../README.md")]
//!
//! ## Guarantees
//! * **Compares**: the server compares CAS numbers, so no edit is lost, however many processes
//!   save.
//! * **Revokes**: a deleted session is gone for every process, and no save that was already running
//!   brings it back.
//! * **Not durable**: a server that stops loses its sessions.
//! * **Shared**: by all processes with the same servers, written the same way in the URL, and the
//!   same [`prefix`](Builder::prefix).
//! * **Evicts**: a server that runs out of memory drops the least recently used sessions. Give the
//!   sessions dedicated servers; otherwise cached pages push them out.
//! * **No owners**: memcached cannot list keys, so the sessions of a user cannot be listed or ended
//!   together.
//! * **At most 1 MiB less 4 KiB** per session; see [`max_size`](Builder::max_size).
//!
//! memcached drops a session five minutes after it expires, so there is nothing to sweep. It cannot
//! represent times after January 2038: a session that expires later stays until it is deleted or
//! evicted.
//!
//! ## Several servers
//! Each session is on one server, chosen by its key and by the addresses as written in the URL. The
//! order of the addresses makes no difference. **Adding a server ends some sessions**: those that
//! belong to the new server from then on, which is one in three when it is the third.
//!
//! Sessions are not replicated, and no other server takes over when one is down. If two servers
//! held the same session, a logout could miss one of them, and the visitor would be logged in
//! again. For the same reason, do not use a proxy that replicates or fails over, and let each host
//! name resolve to one server.
//!
//! ## When things go wrong
//! * **A server restarts**: its sessions are gone. Visitors have to log in again; no request fails.
//! * **A server is down or too slow**: calls for its sessions return
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable) within the [`timeout`](Builder::timeout).
//!   The visitor gets a 503 and keeps the cookie. Sessions on other servers are not affected.
//! * **A machine loses its connection to a server**: the same, for requests to that machine.
//! * **The memory is full**: the server drops the least recently used sessions. A server started
//!   with `-M` returns [`Full`](cloakroom::ErrorKind::Full) instead.
//! * **The item limit of a server (`-I`) is too low for [`max_size`](Builder::max_size)**: a save
//!   that is too large for the server returns an error and ends the session, because memcached
//!   drops the item that it fails to replace.
//!
//! ## In production
//! Let only the site's machines reach the servers: anyone who can connect can read and change every
//! session, and the connection is not encrypted. Do not start memcached with `-C`: it turns off CAS
//! numbers, and the store refuses such a server. Watch `evictions` in the output of `stats`: if it
//! rises, visitors lose their sessions. The tests run against memcached 1.6.18.
//!
//! ## Keys
//! One item per session, under the prefix, `:` and the [`StoreKey`](cloakroom::StoreKey) in
//! hexadecimal digits. If that is longer than the 250 bytes that memcached allows, an `h` and the
//! SHA-256 of the store key replace the digits. The value is the byte `02`, followed by the entry
//! in the layout of [`cloakroom::store::packed`].
//!
//! ## Cost
//! | call | round trips |
//! |---|---|
//! | load, create, delete | 1 |
//! | save | 1, or 2 if another process loaded or saved the session last |
//! | touch | 2 |
//! | rename, at login | 4 |

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
