//! Authors: the list, one author, and how an author is called.

mod detail;
mod life;
mod list;
mod name;

pub(crate) use detail::detail;
pub(crate) use life::Life;
pub(crate) use list::list;
pub(crate) use name::{name, name_or_unknown};
