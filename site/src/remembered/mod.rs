//! What the site remembers about a visitor, without and with a login: shown, changed, forgotten, taken home.

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
