//! The sessions of a Django, where its cache has them: one item for each, under Django's key.

mod error;

mod key;

mod options;
pub use options::DjangoCacheBuilder;

mod store;
pub use store::DjangoCache;
