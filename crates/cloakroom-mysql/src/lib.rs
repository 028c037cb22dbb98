#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Cost
//! A load, a save, a touch, a move and a delete each take one statement and one round trip. The
//! first use of a statement on a connection takes an additional round trip, which prepares the
//! statement. A call on a connection that has been idle for more than a second also takes an
//! additional round trip, because the store pings the connection first.
//!
//! A sweep deletes expired sessions in steps of 100, by primary key, and skips locked rows. So
//! concurrent sweeps share the work, and no request waits for more than one step.
//!
//! # When something fails
//! * **The server is down or cannot be reached**: each call tries to connect three times, which
//!   takes a quarter of a second in total if the connection is refused. After that, the call
//!   returns [`Unavailable`](cloakroom::ErrorKind::Unavailable), and the visitor gets a 503
//!   response. When the server is back, the next call connects.
//! * **A connection is lost** during a load or a delete: the statement is executed again on another
//!   connection. If a connection is lost during a save, the outcome is unknown: the save returns
//!   `Unavailable`, and the session layer (the crate `cloakroom`) loads the session once to see
//!   whether the save was carried out.
//! * **Deadlocks and locked rows**: a statement is executed up to four times in total, and waits
//!   for a lock for up to one second each time. Loads never wait for row locks. A backup that locks
//!   tables blocks saves until the backup ends.
//! * **Failover to a replica** that has not received every write: the last writes are missing,
//!   possibly including logouts, as with any asynchronous replication. With semi-synchronous
//!   replication, Group Replication or Galera, another machine has received every acknowledged
//!   commit. A save that a read-only server refuses has changed nothing. The store sends the save
//!   once more on a new connection, for which it resolves the host name again. While the host name
//!   leads to the old primary, saves return `Unavailable`, but loads still succeed. The store also
//!   sends a statement once more if a Galera node refuses it because the node has lost its cluster.
//! * **The URL leads to a replica**, or loads and saves reach different nodes of a cluster: a load
//!   may miss the preceding save, and a logout may take effect late. Use the URL of the primary, or
//!   configure the cluster so that a load waits for all earlier writes (`wsrep_sync_wait = 1`,
//!   `group_replication_consistency = BEFORE`).
//! * **`max_allowed_packet` is lowered** below the size of a stored session: loading the session
//!   returns [`TooLarge`](cloakroom::ErrorKind::TooLarge), and so does saving one of that size. If
//!   the data has more than 16 MiB, the save may be reported as a lost connection instead. The
//!   session can still be deleted. Open connections keep the limit that they had.
//! * **An option of the server forbids a statement**, and the option is not `read_only`: the call
//!   returns `Unavailable`, and the cause of the error names the option. The store does not try
//!   again.
//! * **The disk is full**: saves return [`Full`](cloakroom::ErrorKind::Full). Acknowledged writes
//!   are kept, and loads still succeed. MariaDB 10.11 may also end when InnoDB cannot extend a
//!   file; then the server is down.
//!
//! # In production
//! * The user needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the table, and `CREATE` for
//!   [`migrate`](MysqlStore::migrate).
//! * The server's `binlog_format` must not be `STATEMENT`: with that value, the server refuses
//!   writes at the isolation level READ COMMITTED.
//! * The store sets on each connection what its statements rely on: a strict `sql_mode`,
//!   `autocommit`, short lock timeouts, and the isolation level READ COMMITTED. At this level there
//!   are no gap locks, so calls for different sessions do not wait for each other.
//! * The server compares store keys and owners byte by byte, whatever the collation of the database
//!   is. Times are stored as integers, so time zones do not matter.
//!
//! # A Django site's sessions
//! With the feature `django`, `DjangoTable` reads and writes the sessions of a Django site in
//! Django's own table. It uses the same kind of connections.

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
