//! Search: the page, how texts are compared, and the table that makes it quick.

mod fold;
pub(crate) mod index;
mod page;

pub(crate) use page::page;
