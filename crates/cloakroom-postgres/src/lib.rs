#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Cost
//! Each call takes one round trip: it sends the start of a transaction, the store's settings, one
//! statement and the commit at once, without waiting in between. A sweep, which deletes expired
//! sessions, takes one such round trip for each 1,000 rows.
//!
//! With `statements=named` in the URL, the store applies the settings once per connection, and a
//! call sends only one statement. The first use of a statement on a connection costs an additional
//! round trip, which prepares the statement. After that, the server does not parse the statement
//! again, and usually does not plan it again.
//!
//! A save changes no indexed column, unless the owner of the session changes or its expiry moves to
//! a different hour. So a save usually writes one new row version, on the page of the old one, and
//! no index entry. PostgreSQL calls this a heap-only update (HOT).
//!
//! # When something fails
//! * **The server restarts**: calls wait for up to 3 s. Once an outage has lasted longer than that,
//!   calls return [`Unavailable`](cloakroom::ErrorKind::Unavailable) at once. The store notices
//!   within one or two seconds that the server is back. Each store opens only one connection at a
//!   time, with growing random pauses between attempts, so that the server is not flooded when it
//!   comes back.
//! * **A connection is lost**: the store sends a load or a delete again. A save may or may not have
//!   been carried out. For a save, the store returns
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable), and the session layer (the crate
//!   `cloakroom`) loads the session once to see whether the save was carried out.
//! * **Deadlocks and serialization failures**: the server rolls the statement back. The store tries
//!   the statement up to five times in total.
//! * **Failover to an asynchronous standby**: the standby may lack the last acknowledged commits,
//!   including logouts and revocations. To prevent this, make the standby synchronous
//!   (`synchronous_standby_names`). List both servers in the URL with
//!   `target_session_attrs=read-write`. If a server becomes a standby, the store replaces its
//!   connections to that server after the first write that the server refuses.
//! * **The server disappears or hangs**: calls on its connections fail at the time limit of the
//!   session layer. If the server stays silent for two more seconds, the store replaces the
//!   connections.
//! * **The server has no free connections**: the store continues with the connections that it has.
//! * **A pooler loses its connection to the server**, or has no free connection in time: the store
//!   treats this like a lost connection.
//! * **The table is locked**, for example by `VACUUM FULL` or `ALTER TABLE`: calls that wait for
//!   the lock return `Unavailable` after 3 s, or after the `lock_timeout` of the user or the
//!   database.
//! * **A transaction of the application or of a backup stays open for hours**: PostgreSQL cannot
//!   remove old row versions, and the table grows until the transaction ends.
//! * **The disk is full**: saves return [`Full`](cloakroom::ErrorKind::Full). Loads still succeed.
//!
//! # In production
//! * Call [`migrate`](PostgresStore::migrate) when the program starts, or run the SQL that
//!   [`schema`](Builder::schema) returns. Then the store's user needs only `SELECT`, `INSERT`,
//!   `UPDATE` and `DELETE` on the table.
//! * A pooler such as PgBouncer may run in transaction or in session mode. The store leaves no
//!   setting, no prepared statement, no lock and no temporary table on the server's connections.
//!   What other clients leave there does not affect the store, with one exception: if another
//!   client has changed the `role`, calls may fail.
//! * After a failed connection to the server, PgBouncer waits 15 s before it tries again. Set its
//!   `server_login_retry` to 1 to shorten the wait.
//! * Each store uses up to [`connections`](Builder::connections) of the server's `max_connections`.
//!
//! # A Django site's sessions
//! With the feature `django`, `DjangoTable` reads and writes the sessions of a Django site in
//! Django's own table. It uses the same kind of connections.

mod connection;
mod connections;
#[cfg(feature = "django")]
mod django;
mod error;
mod options;
mod schema;
mod session;
mod statements;
mod store;
mod table;
mod target;
mod value;

#[cfg(feature = "django")]
pub use django::DjangoTable;
pub use options::Builder;
pub use store::PostgresStore;
