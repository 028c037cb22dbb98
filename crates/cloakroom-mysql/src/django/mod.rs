//! Django's sessions in the table of its engines `db` and `cached_db`.

mod options;

mod schema;

mod store;
pub use store::DjangoTable;

mod table;
