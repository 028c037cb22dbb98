//! The sessions in a Django site's cache: one item per session, under Django's key.

mod error;

mod key;

mod options;
pub use options::DjangoCacheBuilder;

mod store;
pub use store::DjangoCache;
