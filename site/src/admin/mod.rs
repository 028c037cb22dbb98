//! The staff area: every record of the catalogue and every account, listed, changed and deleted by those who may.
//!
//! A [`model::Model`] describes a table: its columns, its filters, what goes with a record when it is deleted. The pages
//! are the same for all of them. What a form says about a record is judged and stored by the folder of its noun; accounts
//! and groups, which have no other pages, are at home here.

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
