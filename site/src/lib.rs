//! LocalLibrary: the catalogue of a library, served from the tables of Django's LocalLibrary.
//!
//! [`Application::build`] is what `main` and every test call. A noun of the catalogue has a folder with one file per
//! page, and the SQL of a page stands in its file.
//!
//! | where | what |
//! |---|---|
//! | [`config`], [`secret`] | the settings, and the key that signs |
//! | [`application`], [`shutdown`] | from settings to a running site, and back |
//! | `database/` | opening the file; creating it with the demo catalogue |
//! | `web/` | what all pages share: layout, paging, errors, headers, static files |
//! | `home/`, `books/`, `authors/`, `genres/`, `languages/`, `copies/` | the pages |
//! | `sessions.rs`, `visitor.rs` | where sessions are kept; everything the site keeps in one |

pub mod application;
mod authors;
mod books;
pub mod config;
mod copies;
mod database;
mod date;
mod genres;
mod home;
mod languages;
pub mod secret;
mod sessions;
pub mod shutdown;
mod start_error;
mod visitor;
mod web;

pub use application::Application;
pub use config::Config;
pub use start_error::StartError;
