//! The staff area, where staff list, change and delete records and accounts.
//!
//! A [`model::Model`] describes a table: its columns, its filters, and what is removed together
//! with a record. All models share the same pages. The code of the catalogue, such as `books/`,
//! validates and stores the records. Users and groups have no pages in the catalogue, so the code
//! for them is here.

mod deletion;
mod draft;
mod filter;
mod groups;
mod guard;
mod inline;
mod log;
mod model;
mod models;
mod record;
mod users;

pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod history;
mod index;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod sessions;

pub(crate) use guard::require_staff;
pub(crate) use index::{app, index};
