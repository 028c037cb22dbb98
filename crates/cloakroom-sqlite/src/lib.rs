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
//! # Examples
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use cloakroom::Lookup;
//! use cloakroom::store::{Draft, Meta, Outcome, Store, Version};
//! use cloakroom_sqlite::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("sessions.sqlite");
//! let store = SqliteStore::open(&path)?;
//!
//! let at = Lookup::new(&[7; 32]);
//! let draft = Draft {
//!     data: "{}".into(),
//!     meta: Meta {
//!         created: UNIX_EPOCH,
//!         touched: UNIX_EPOCH,
//!         expires: UNIX_EPOCH + Duration::from_secs(60),
//!         owner: None,
//!         label: None,
//!     },
//!     version: Version::random()?,
//! };
//! assert_eq!(store.create(&at, &draft).await?, Outcome::Written(draft.version.clone()));
//! assert_eq!(store.create(&at, &draft).await?, Outcome::Stale); // never overwrites
//!
//! drop(store);
//! let reopened = SqliteStore::open(&path)?;
//! let entry = reopened.load(&at).await?.expect("it was acknowledged");
//! assert_eq!(entry.meta, draft.meta);
//! # Ok(())
//! # }
//! ```

mod connection;
mod error;
mod options;
mod readers;
mod schema;
mod store;
mod table;
mod threads;
mod writer;

pub use options::{Builder, Synchronous};
pub use store::SqliteStore;
