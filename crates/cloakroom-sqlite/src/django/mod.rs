//! The sessions of a Django, in the table in which its engines `db` and `cached_db` have them.

mod builder;

mod schema;

mod store;
pub use store::DjangoTable;

mod table;
