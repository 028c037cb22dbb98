//! The table in which Django's session engines `db` and `cached_db` keep sessions.

mod builder;

mod schema;

mod store;
pub use store::DjangoTable;

mod table;
