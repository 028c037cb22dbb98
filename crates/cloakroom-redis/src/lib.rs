//! Redis and Valkey as the store of [Cloakroom](cloakroom)'s sessions: one server or a Cluster.
//!
//! [`RedisStore`] is for Cloakroom's own sessions, and this page is about it. With the feature
//! `django`, `DjangoCache` shares the sessions of a Django that keeps them in its cache.
//!
//! One connection to each server, which all calls share and which opens again when it breaks. One value for each
//! session. A save compares and writes in a script, in one round trip. Redis 6.2 or newer, any Valkey.
//!
//! # Guarantees
//! * **Compares**: a save compares and writes in one script, so no edit is lost.
//! * **Revokes**: a deleted session is gone for every process.
//! * **Not durable**: a Redis acknowledges what it has in its memory. See its worst day.
//! * **Shared**: by all processes that reach the server.
//! * **Evicts**: with any `maxmemory-policy` but `noeviction`, a server that runs short drops live sessions. Whether it
//!   may is the server's setting, so this store always says that it does.
//! * **Owners**: it lists the sessions of a user, unless the server has evicted the list.
//!
//! It cannot find a session by its tag alone: a Redis would have to look at every key that it has.
//!
//! # Its worst day
//! * **The server dies**: what it had acknowledged and not yet written to its disk is undone. With `appendfsync
//!   everysec` that is about the last second: an edit is gone; a visitor who logged in has to do it again; and one who
//!   logged out **is logged in again**, if somebody kept the key. With `appendonly no` it is everything since the last
//!   snapshot.
//! * **A replica takes over**: the same, with what the replica had not received yet. That is milliseconds as a rule,
//!   and more if the network was cut: then the old primary may acknowledge saves that nobody keeps, until
//!   `min-replicas-to-write` or the Cluster stops it. Sites to whom an undone logout matters use PostgreSQL.
//! * **The connection breaks**: a load is tried again. A save may have happened; the session layer finds out, and if it
//!   cannot, the visitor gets a 503 and nothing has been done twice.
//! * **Nothing answers**: calls fail at once where nothing listens, as
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable), and otherwise after the session layer's timeout. A server
//!   that is gone without a word is noticed after some ten seconds, and the next connection goes to whoever has its
//!   address then.
//! * **The memory is full**: with `noeviction`, saves answer [`Full`](cloakroom::ErrorKind::Full), loads and logouts go
//!   on. With another policy sessions vanish, and a user's list may, and then ending all of a user's sessions ends
//!   those that are still listed.
//! * **The server's clock is wrong**: it drops a session by its own clock, five minutes after the session has expired.
//!   A clock that is further ahead than that ends sessions early. A clock that is behind does no harm.
//! * **A Cluster moves slots**: commands follow them. During a failover the sessions of the failed node answer
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable); the others go on.
//!
//! # In production
//! `maxmemory-policy noeviction` and a server of its own, or a share of the memory that it cannot outgrow: caches evict,
//! and sessions should not be evicted. `appendonly yes`. Persistent or not, let only the site reach the server: who
//! reads it reads what is in the sessions.
//!
//! An access list needs `~cloakroom:*` and `+get +set +del +eval +evalsha +getrange +setrange +pexpireat +zadd +zrem
//! +zrange +zremrangebyscore +time +hello +auth +select +client|setinfo`, and in a Cluster `+cluster|slots +asking`.
//!
//! # Keys
//! | key | holds |
//! |---|---|
//! | `cloakroom:s:` and the bytes of the lookup | the session, as one string |
//! | `cloakroom:o:` and the owner | a sorted set of the owner's lookups, each by the millisecond until which it is kept |
//!
//! Each has a time to live: the session until five minutes after it expires, its place in the set an hour longer, and
//! the set as long as the longest of them. So nothing is left over, not even after a crash, and there is nothing to
//! sweep. A value begins with the bytes `c7 02` and, in eight bytes, the millisecond until
//! which the set keeps it. The entry follows as [`cloakroom::store::packed`] has it. Numbers are
//! big-endian. A value that begins with `c7 01` is of an older version and is not read.
//!
//! # Cost
//! | call | round trips | for a session with an owner |
//! |---|---|---|
//! | load | 1 | 1 |
//! | save, touch | 1 | 1, and 3 about once an hour, when the set must keep it longer |
//! | create | 1 | 2 |
//! | delete | 1 | 2 |
//! | rename, at login | 3 | 4 to 5 |
//! | list a user's sessions | | 2, and 1 more for every 64 sessions |
//!
//! # Examples
//! ```no_run
//! use cloakroom::Sessions;
//! use cloakroom_redis::RedisStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = Sessions::new(RedisStore::connect("redis://127.0.0.1:6379").await?);
//! let session = sessions.new_session();
//! session.set("theme", "dark")?;
//! session.save().await?;
//! let key = session.key().expect("a saved session has a key");
//!
//! // In another process, on another machine:
//! let sessions = Sessions::new(RedisStore::connect("redis://127.0.0.1:6379").await?);
//! let session = sessions.open(&key).await?.expect("what was saved is there");
//! assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
//! # Ok(())
//! # }
//! ```

mod address;
mod connection;
#[cfg(feature = "django")]
mod django;
mod entries;
mod error;
mod expiry;
mod index;
mod layout;
mod options;
mod script;
mod store;

#[cfg(feature = "django")]
pub use django::{DjangoCache, DjangoCacheBuilder};
pub use options::Builder;
pub use store::RedisStore;
