//! PostgreSQL as the store of [Cloakroom](cloakroom)'s sessions: one round trip to load, one to save.
//!
//! The store has a few connections of its own, which all calls share: a call sends its statement at once and does not
//! wait for the answers to others (pipelining). So sessions can neither use up the application's pool nor wait for it.
//! PostgreSQL 13 or newer.
//!
//! # Guarantees
//! * **Compares**: a save compares and writes in one statement, so no edit is lost.
//! * **Revokes**: a deleted session is gone for every server.
//! * **Durable**: what was acknowledged survives the end of the process and a power cut. If the database's default for
//!   `synchronous_commit` is `off`, the store's connections turn it on. It cannot turn on `fsync`, which is the
//!   server's.
//! * **Shared**: by any number of servers.
//! * **Owners**: it lists the sessions of a user.
//!
//! Whoever may read the table may read what is in the sessions.
//!
//! # What it costs
//! Each call is one statement and one round trip; a sweep is one for each thousand rows that it deletes. The first time
//! that a connection runs a statement it prepares it, which is one round trip more. A save changes no indexed column
//! unless the session gets another owner or its expiry moves to another hour, so it writes one small row version beside
//! the old one and no index (a heap-only tuple, HOT).
//!
//! # Its worst day
//! * **The server restarts**: calls wait for it for up to 3 s; after that they answer
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable) at once until it is back, which is noticed within a second or
//!   two. Each store tries one connection at a time, with growing pauses, so servers that come back together do not
//!   storm it.
//! * **A connection is lost while a save is on its way**: nobody knows whether it was done. The store says
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable), and the session layer finds out with one load. Loads and
//!   deletes are sent again. Deadlocks and serialization failures are tried again, five times in all.
//! * **Failover to an asynchronous standby**: the last commits may be missing there, a logout or a revocation among
//!   them, although they were acknowledged. If that must not be, make the standby synchronous
//!   (`synchronous_standby_names`). Name both in the URL, with `target_session_attrs=read-write`; a connection to a
//!   server that has become a standby is given up at the first write that it refuses.
//! * **The server vanishes without a word**, or stands still: calls on its connections end with the time limit of the
//!   session layer, and two seconds later the connections are given up for new ones.
//! * **It has no free connections**: the store goes on with those that it has.
//! * **Something locks the table**, `VACUUM FULL` or `ALTER TABLE` for instance: calls behind the lock answer
//!   `Unavailable` after 3 s (or after the `lock_timeout` that the user or the database has).
//! * **A transaction stays open for hours**, of the application or of a backup: PostgreSQL cannot clean up behind the
//!   updates, and the table grows until it ends.
//! * **The disk is full**: saves answer [`Full`](cloakroom::ErrorKind::Full), loads go on.
//!
//! # In production
//! * Let [`migrate`](PostgresStore::migrate) make the table, or run what [`schema`](PostgresStore::schema) prints; then
//!   the store's user needs no more than `SELECT`, `INSERT`, `UPDATE` and `DELETE` on it.
//! * Connect to the server itself, or through a pooler in session mode. PgBouncer in transaction mode deals out
//!   connections without the settings and the prepared statements of this store.
//! * Each process has up to [`connections`](Builder::connections) of the server's `max_connections`.
//!
//! # Beside a Django
//! With the feature `django`, `DjangoTable` reads and writes the sessions of a Django in its own
//! table, through the same kind of connections.
//!
//! # Examples
//! ```no_run
//! use cloakroom::Sessions;
//! use cloakroom_postgres::PostgresStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::connect("postgres://library:s3cret@localhost/library").await?;
//! store.migrate().await?;
//!
//! let sessions = Sessions::new(store);
//! let session = sessions.new_session();
//! session.set("theme", "dark")?;
//! session.save().await?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod connections;
#[cfg(feature = "django")]
mod django;
mod error;
mod options;
mod schema;
mod statements;
mod store;
mod table;
mod target;
#[cfg(feature = "tls-rustls")]
mod tls;
mod value;

#[cfg(feature = "django")]
pub use django::DjangoTable;
pub use options::Builder;
pub use store::PostgresStore;
