//! Books: the list, the page of a book, the forms, and the card of a book in lists.

mod card;
mod cover;
pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod isbn;
mod list;

pub(crate) use card::{BookCard, CardRow};
pub(crate) use cover::Cover;
pub(crate) use detail::detail;
pub(crate) use list::list;
