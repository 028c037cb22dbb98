#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Cost
//! Each call is one round trip. It sends a transaction with its settings, one statement and the
//! commit at once, and waits for nothing in between. A sweep runs one statement for each 1,000 rows
//! that it deletes.
//!
//! With `statements=named` in the URL, the settings are made once on each connection, and a call is
//! one statement. Its first use on a connection costs another round trip, which prepares it. This
//! saves the server the work of parsing and planning each statement again.
//!
//! A save changes no indexed column, unless the session gets another owner or its expiry moves to
//! another hour. So it usually writes one small row version on the same page and no index entry (a
//! heap-only tuple, HOT).
//!
//! # When something fails
//! * **The server restarts**: calls wait for up to 3 s. After that they return
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable) at once, until the server is back, which
//!   the store notices within one or two seconds. Each store tries to open one connection at a
//!   time, with growing random pauses, so that the server is not flooded when it comes back.
//! * **A connection is lost while a save is in flight**: the save may or may not have been done.
//!   The store returns [`Unavailable`](cloakroom::ErrorKind::Unavailable), and the session layer
//!   finds out with one load. Loads and deletes are sent again. Statements that the server rolled
//!   back because of a deadlock or a serialization failure are tried up to five times in all.
//! * **Failover to an asynchronous standby**: the standby may lack the last commits although they
//!   were acknowledged, logouts and revocations included. To rule this out, make the standby
//!   synchronous (`synchronous_standby_names`). List both servers in the URL with
//!   `target_session_attrs=read-write`. If a server has become a standby, its connections are
//!   replaced after the first write that it refuses.
//! * **The server disappears or hangs**: calls on its connections end at the time limit of the
//!   session layer. Two seconds later the store replaces the connections.
//! * **The server has no free connections**: the store continues with those that it has.
//! * **A pooler loses its connection to the server**, or has no free one in time: like a connection
//!   that is lost.
//! * **A lock on the table**, for example of `VACUUM FULL` or `ALTER TABLE`: calls that wait for it
//!   return `Unavailable` after 3 s, or after the `lock_timeout` of the user or the database.
//! * **A transaction stays open for hours**, of the application or of a backup: PostgreSQL cannot
//!   remove old row versions, and the table grows until the transaction ends.
//! * **The disk is full**: saves return [`Full`](cloakroom::ErrorKind::Full). Loads still work.
//!
//! # In production
//! * Call [`migrate`](PostgresStore::migrate) at the start, or run the SQL that
//!   [`schema`](Builder::schema) returns. Then the store's user needs only `SELECT`, `INSERT`,
//!   `UPDATE` and `DELETE` on the table.
//! * A pooler such as PgBouncer may run in transaction or in session mode. The store leaves no
//!   setting, prepared statement, lock or temporary table on the server's connections, and relies
//!   on none. If another client of the pool has changed the `role`, calls may fail.
//! * When a server behind PgBouncer was down, PgBouncer connects to it again after 15 s. Lower its
//!   `server_login_retry` to 1.
//! * Each process uses up to [`connections`](Builder::connections) of the server's
//!   `max_connections`.
//!
//! # A Django site's sessions
//! With the feature `django`, `DjangoTable` reads and writes the sessions of a Django site in its
//! own table, with the same kind of connections.

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
