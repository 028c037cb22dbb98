//! LocalLibrary: a web site with the catalogue of a library. Its tables are those of the Django
//! site LocalLibrary, which MDN's Django tutorial builds.
//!
//! `main` and the tests start with [`Application::build`]:
//!
//! ```
//! use clap::Parser;
//! use locallibrary::{Application, Config};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let database = format!("sqlite://{}/library.sqlite3", folder.path().display());
//! let flags = ["locallibrary", "--bind", "127.0.0.1:0", "--database-url", &database];
//! let application = Application::build(Config::parse_from(flags)).await?;
//! assert_ne!(application.address().port(), 0);
//! assert!(application.startup_message().starts_with("LocalLibrary is open at http://127.0.0.1:"));
//! # Ok(())
//! # }
//! ```
//!
//! Each part of the catalogue (books, authors, copies, loans) has a folder with one file per page.
//! The file contains the handler of the page and its SQL statements.
//!
//! | where | what |
//! |---|---|
//! | [`config`], `secret.rs` | the settings; the key that signs cookies and links |
//! | [`cli`] | the subcommands |
//! | [`application`], `serving.rs`, [`shutdown`] | starting, serving and stopping the site |
//! | [`logs`], `progress.rs` | log lines and progress bars |
//! | `database/` | opening the file; creating it with the demo catalogue |
//! | `state.rs`, `routes.rs` | the state that all pages share; the URL of each page |
//! | `web/` | what all pages share: forms, layout, paging, errors, headers, static files |
//! | `home/`, `books/`, `authors/`, `copies/`, `loans/`, `search/` | the pages |
//! | `named/`, `genres.rs`, `languages.rs` | the pages of genres and languages, which have a name only |
//! | `date.rs`, `language_tag.rs` | formats of dates; BCP 47 tags of languages |
//! | `id_list.rs` | the ids of several records as one parameter of an SQL statement |
//! | `users/`, `accounts/`, `mail.rs` | users; logins and passwords; mails |
//! | `admin/` | the staff area: every record, every account, every session |
//! | `remembered/` | the items (named values) in a visitor's session: list, change, delete, download |
//! | `sessions.rs`, `visitor.rs` | the session storage; the items that the site keeps in a session |

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
