//! Copies of books: the list, one copy, its id, and how it stands with it.

pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod id;
mod list;
mod standing;

pub(crate) use detail::detail;
pub(crate) use id::CopyId;
pub(crate) use list::list;
pub(crate) use standing::{Standing, Status};
