//! Authors: the list, one author, the forms, and how an author is called.

pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod lifespan;
mod list;
mod name;

pub(crate) use detail::detail;
pub(crate) use list::list;
pub(crate) use name::{name, name_or_unknown};
