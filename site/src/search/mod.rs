//! Search: the page, the comparison of texts, and the search index.

mod fold;
pub(crate) mod index;
mod page;

pub(crate) use page::page;
