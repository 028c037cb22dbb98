//! The home page.

mod index;

pub(crate) use index::index;
