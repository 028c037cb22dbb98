#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod connection;
mod database;
mod database_file;
#[cfg(feature = "django")]
mod django;
mod error;
mod linked_sqlite;
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
