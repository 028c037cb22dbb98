//! The sessions in a Django site's cache: one string per session, under Django's key.

mod options;
pub use options::DjangoCacheBuilder;

mod store;
pub use store::DjangoCache;
