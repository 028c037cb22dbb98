//! The pages on which visitors list, change, delete and download the items (named values) in their
//! session. They need no login.

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
