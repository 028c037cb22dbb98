//! Books: the list, one book, and how a book looks in any list.

mod card;
mod cover;
mod detail;
mod list;

pub(crate) use card::{BookCard, CardRow};
pub(crate) use cover::Cover;
pub(crate) use detail::detail;
pub(crate) use list::list;
