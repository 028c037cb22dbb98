//! LocalLibrary: the catalogue of a library, served from the tables of Django's LocalLibrary.
//!
//! [`Application::build`] is what `main` and every test call. A noun of the catalogue has a folder with one file per
//! page, and the SQL of a page stands in its file.
//!
//! | where | what |
//! |---|---|
//! | [`config`], `secret.rs` | the settings, and the key that signs |
//! | [`cli`] | what the program does besides serving pages |
//! | [`application`], `serving.rs`, [`shutdown`] | from settings to a running site, and back |
//! | [`logs`], `progress.rs` | what the program says while it works |
//! | `database/` | opening the file; creating it with the demo catalogue |
//! | `state.rs`, `routes.rs` | what every page can reach; which address is which page |
//! | `web/` | what all pages share: layout, paging, errors, headers, static files |
//! | `home/`, `books/`, `authors/`, `genres.rs`, `languages.rs`, `copies/`, `loans/`, `search/` | the pages |
//! | `date.rs`, `language_tag.rs` | dates as pages write them; languages as browsers name them |
//! | `id_list.rs` | the ids of several records in one parameter of a statement |
//! | `named/` | what genres and languages share, which are a name and nothing else |
//! | `users/`, `accounts/`, `mail.rs` | users; logins and passwords; mails |
//! | `admin/` | the staff area: every record, every account, every session |
//! | `remembered/` | what the site remembers about a visitor: shown, changed, forgotten |
//! | `sessions.rs`, `visitor.rs` | where sessions are kept; everything the site keeps in one |

mod accounts;
mod admin;
pub mod application;
mod authors;
mod books;
pub mod cli;
pub mod config;
mod copies;
mod database;
mod date;
mod genres;
mod home;
mod id_list;
mod language_tag;
mod languages;
mod loans;
pub mod logs;
mod mail;
mod named;
mod progress;
mod remembered;
mod routes;
mod search;
mod secret;
mod serving;
mod sessions;
pub mod shutdown;
mod start_error;
mod state;
mod users;
mod visitor;
mod web;

pub use application::Application;
pub use config::Config;
pub use start_error::StartError;
