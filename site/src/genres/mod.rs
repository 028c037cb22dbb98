//! Genres: the list, one genre with its books, and the forms.

pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod list;

pub(crate) use detail::detail;
pub(crate) use list::list;
