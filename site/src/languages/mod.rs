//! Languages: the list, one language with its books, the forms, and the tags by which browsers know them.

pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod list;
mod tag;

pub(crate) use detail::detail;
pub(crate) use list::list;
pub(crate) use tag::tag;
