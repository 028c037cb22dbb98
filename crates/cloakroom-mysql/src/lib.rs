#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Cost
//! A load is one statement and one round trip. So is a save, a touch, a move and a delete. The
//! first use of a statement on a connection also prepares it. A connection that has been idle for a
//! second is pinged before it is used, which is another round trip.
//!
//! Expired sessions are deleted in steps of 100, by primary key, and skipping locked rows. So
//! sweeps of several servers share the work, and no request waits for more than one step.
//!
//! # When something fails
//! * **The server is down or cannot be reached**: each call tries to connect three times, which
//!   takes a quarter of a second if the server refuses. Then it returns
//!   [`Unavailable`](cloakroom::ErrorKind::Unavailable), and visitors get a 503. When the server is
//!   back, the next call connects.
//! * **A connection is lost** during a load or a delete: the statement is executed again on another
//!   connection. During a save, the outcome is unknown: the save returns `Unavailable`, and the
//!   session layer finds out with one load.
//! * **Deadlocks and locked rows**: a statement is executed up to four times in all, and waits for
//!   a lock for one second each time. Loads never wait for locks. A backup that locks tables blocks
//!   saves for as long as it runs.
//! * **Failover to a replica** that has not received everything: the last saves are missing,
//!   logouts possibly included, as with any asynchronous replication. With semi-synchronous
//!   replication, Group Replication or Galera, another machine has the last commit. A save
//!   that a read-only server refuses has changed nothing. It is sent once more on a new connection,
//!   which follows the host name to the new primary. While the name leads to the old one, saves
//!   return `Unavailable`, and loads still work.
//! * **Reads from a replica**, or from another node of a cluster: a load may miss the save before
//!   it, and a logout may take effect late. Use the URL of the primary, or let the cluster wait
//!   (`wsrep_sync_wait = 1`, `group_replication_consistency = BEFORE`).
//! * **The disk is full**: saves return [`Full`](cloakroom::ErrorKind::Full). What was acknowledged
//!   is kept, and loads still work.
//!
//! # In production
//! * The user needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the table, and `CREATE` for
//!   [`migrate`](MysqlStore::migrate).
//! * The server's `binlog_format` must not be `STATEMENT`.
//! * Each connection sets what its statements rely on: the isolation level READ COMMITTED, which
//!   has no gap locks, a strict `sql_mode`, `autocommit`, and short lock timeouts.
//! * Store keys and owners are compared byte by byte, whatever the collation of the database is.
//!   Times are stored as integers, so time zones do not matter.
//!
//! # A Django site's sessions
//! With the feature `django`, `DjangoTable` reads and writes the sessions of a Django site in its
//! own table, with the same kind of connections.

mod address;
mod columns;
mod connection;
#[cfg(feature = "django")]
mod django;
mod error;
mod options;
mod pool;
mod schema;
mod server;
mod store;
mod sweep;
mod table;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "django")]
pub use django::DjangoTable;
pub use options::Builder;
pub use store::MysqlStore;
