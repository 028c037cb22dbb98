//! Books: the list, the page of a book, the forms, the card of a book in lists, and the genres and
//! languages to choose from.

mod card;
mod choices;
mod cover;
pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod isbn;
mod list;

pub(crate) use card::{BookCard, CardRow};
pub(crate) use choices::{load_genres, load_languages};
pub(crate) use cover::Cover;
pub(crate) use detail::detail;
pub(crate) use list::list;
