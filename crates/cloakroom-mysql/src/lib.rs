//! MySQL and MariaDB as the store of [Cloakroom](cloakroom)'s sessions: MySQL 8.0 and later, MariaDB 10.6 and later.
//!
//! A few connections of its own, so that sessions neither take the application's nor wait for them. Loading is one
//! statement and one round trip, and so is each of saving, touching, moving and deleting; a connection that has been
//! idle for a second is asked first whether it is still one, and the first use of a statement on a connection prepares
//! it.
//!
//! # Guarantees
//! * **Compares**: a save compares and writes in one statement, so no edit is lost. It counts rows that were found and
//!   not rows that were changed, so a save of what is there already is a save.
//! * **Revokes**: a deleted session is gone for every server.
//! * **Durable**: what was acknowledged survives the end of the processes and a power cut, as long as the database
//!   server has `innodb_flush_log_at_trx_commit = 1`, its default, and with a binary log `sync_binlog = 1`, which is
//!   MySQL's default and not MariaDB's. With less, the last second may be missing after a power cut.
//! * **Shared**: by all servers that connect to the same primary.
//! * **Owners**: it lists the sessions of a user.
//!
//! Lookups and owners are compared byte for byte, whatever collation the database has. The data of a session is as
//! large as the server's `max_allowed_packet` allows, which is read when the store connects: 16 MB in MariaDB and 64 MB
//! in MySQL if nobody has set it. An owner has up to 255 bytes, a label up to 1,000 characters, a lookup up to 255 bytes;
//! what is longer is [`TooLarge`](cloakroom::ErrorKind::TooLarge) and never cut.
//!
//! # Its worst day
//! * **The server is down or cannot be reached**: each call tries to connect three times, a quarter of a second in all if
//!   the server refuses, then answers [`Unavailable`](cloakroom::ErrorKind::Unavailable), and visitors see 503. When
//!   the server is back, the next call connects.
//! * **A connection breaks** while a load or a delete waits for its answer: it is done again on another connection.
//!   A save is not, since nobody can tell whether it has happened; it is `Unavailable`, and the session layer finds
//!   out with one load.
//! * **Deadlocks, and rows that somebody else keeps locked**: the statement is tried again, four times at most, and
//!   waits one second each time. Loads never wait. A backup that locks tables stops saves as long as it does.
//! * **Failover to a replica** that had not received everything: the last saves are missing, and with them perhaps a
//!   logout. That is so with every asynchronous replication; semi-synchronous replication, Group Replication and Galera
//!   have the last commit on another machine. A save that a read-only server refuses has not happened. It is sent
//!   again on a new connection, which follows the name to the new primary; while the name leads to the old one, saves
//!   are `Unavailable` and loads go on.
//! * **Reads from a replica**, or from another node of a cluster: a load may not see the save that came before it, and a
//!   logout may be seen late. Let the URL lead to the primary, or let the cluster wait (`wsrep_sync_wait = 1`,
//!   `group_replication_consistency = BEFORE`).
//! * **The disk is full**: saves are [`Full`](cloakroom::ErrorKind::Full), what was acknowledged stays, loads go on.
//!
//! # In production
//! The user needs SELECT, INSERT, UPDATE and DELETE on the table, and CREATE for [`migrate`](MysqlStore::migrate). The
//! server's `binlog_format` must not be STATEMENT. Each connection sets what its statements rely on: READ COMMITTED,
//! which has no gap locks, a strict `sql_mode`, `autocommit` and short lock waits. Times are integers, so time zones do
//! not matter.
//!
//! Whoever can read the table, its backups or its binary log can read what is in the sessions. On the way to the server
//! everything is in clear, unless the feature `tls` is on and the URL asks for it.
//!
//! Expired sessions are deleted in steps of 100, by their primary keys and past the rows that somebody has locked, so
//! sweeps of several servers share the work and no request waits for more than one step.
//!
//! # Beside a Django
//! With the feature `django`, `DjangoTable` reads and writes the sessions of a Django in its own
//! table, through the same kind of connections.
//!
//! # Examples
//! ```
//! use cloakroom::Sessions;
//! use cloakroom_mysql::MysqlStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let Some(server) = cloakroom_harness::servers::mariadb() else { return Ok(()) };
//! # let url = server.url();
//! let store = MysqlStore::connect(url).await?; // mysql://site:s3cret@db.example/library
//! store.migrate().await?;
//! let sessions = Sessions::new(store);
//! let session = sessions.new_session();
//! session.set("theme", "dark")?;
//! session.save().await?;
//! let key = session.key().expect("a saved session has a key");
//!
//! // Another server of the site.
//! let sessions = Sessions::new(MysqlStore::connect(url).await?);
//! let session = sessions.open(&key).await?.expect("what was saved is there");
//! assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
//! # Ok(())
//! # }
//! ```

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

#[cfg(feature = "django")]
pub use django::DjangoTable;
pub use options::Builder;
pub use store::MysqlStore;
