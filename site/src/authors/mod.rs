//! Authors: the list, the page of an author, the forms, and the display of names.

pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod lifespan;
mod list;
mod name;

pub(crate) use detail::detail;
pub(crate) use list::list;
pub(crate) use name::{name, name_or_unknown};
