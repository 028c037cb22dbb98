//! The items in a visitor's session, with or without a login: list, change, delete, download.

mod download;
mod forget;
mod list;
mod notices;
pub(crate) mod preferences;
mod recent;

pub(crate) use download::download;
pub(crate) use forget::forget;
pub(crate) use list::list;
pub(crate) use notices::dismiss;
pub(crate) use recent::RecentBook;
