//! A store on the table in which Django's session engines `db` and `cached_db` keep sessions.

mod options;

mod schema;

mod store;
pub use store::DjangoTable;

mod table;

mod timestamp;
