//! Genres: the list, and one genre with its books.

mod detail;
mod list;

pub(crate) use detail::detail;
pub(crate) use list::list;
