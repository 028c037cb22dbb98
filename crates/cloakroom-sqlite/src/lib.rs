//! SQLite as the store of [Cloakroom](cloakroom)'s sessions: one file, no server, nothing to run.
//!
//! Reads are answered by a few reader threads. One writer thread takes whatever writes are waiting, commits them
//! together, and acknowledges each after that commit; so a hundred visitors who save at once pay for one flush to the
//! disk and not for a hundred. The threads have connections of their own and never wait for the application's.
//!
//! # Guarantees
//! * **Compares**: a save compares and writes in one statement, so no edit is lost.
//! * **Revokes**: a deleted session is gone for every process.
//! * **Durable**: what was acknowledged survives the end of the process and a power cut, with
//!   [`Synchronous::Full`], the default.
//! * **Shared**: by all processes of one machine. Not over a network file system: SQLite's write-ahead log needs
//!   memory that the processes share, and NFS or SMB have none.
//! * **Owners**: it lists the sessions of a user.
//!
//! Whoever may read the file may read what is in the sessions, so give it a folder that only the site may enter.
//!
//! # Its worst day
//! * **The disk is full**: saves answer [`Full`](cloakroom::ErrorKind::Full), what was acknowledged stays, loads go on.
//! * **Another process keeps the database locked**: saves wait for [`busy_timeout`](Builder::busy_timeout), then
//!   answer [`Unavailable`](cloakroom::ErrorKind::Unavailable); loads go on. SQLite has one writer at a time, so a
//!   long transaction of the application in the same file stops the sessions. Give them a file of their own if it has
//!   any.
//! * **The power fails** with [`Synchronous::Normal`]: the last few commits may be missing, a logout among them. The
//!   file is sound and older sessions are there.
//!
//! # Beside a Django
//! With the feature `django`, `DjangoTable` reads and writes the sessions of a Django in its own
//! table, through the same kind of threads.
//!
//! # Examples
//! ```
//! use cloakroom::Sessions;
//! use cloakroom_sqlite::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("sessions.sqlite");
//! let sessions = Sessions::new(SqliteStore::open(&path)?);
//! let session = sessions.new_session();
//! session.set("theme", "dark")?;
//! session.save().await?;
//! let key = session.key().expect("a saved session has a key");
//! drop((session, sessions)); // the process ends, and another one begins
//!
//! let sessions = Sessions::new(SqliteStore::open(&path)?);
//! let session = sessions.open(&key).await?.expect("what was saved is there");
//! assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
//! # Ok(())
//! # }
//! ```

mod builder;
mod connection;
mod database;
#[cfg(feature = "django")]
mod django;
mod error;
mod options;
mod readers;
mod schema;
mod store;
mod table;
mod table_name;
mod threads;
mod writer;

pub use builder::Builder;
#[cfg(feature = "django")]
pub use django::DjangoTable;
pub use options::Synchronous;
pub use store::SqliteStore;
