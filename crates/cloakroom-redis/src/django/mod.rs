//! The sessions of a Django, where its cache has them: one string for each, under Django's key.

mod options;
pub use options::DjangoCacheBuilder;

mod store;
pub use store::DjangoCache;
