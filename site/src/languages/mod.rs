//! Languages: the list, one language with its books, and the tags by which browsers know them.

mod detail;
mod list;
mod tag;

pub(crate) use detail::detail;
pub(crate) use list::list;
pub(crate) use tag::tag;
