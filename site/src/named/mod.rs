//! Records that have a name and no other columns: genres and languages.

mod delete;
mod detail;
mod form;
mod list;
mod record;

pub(crate) use record::NamedRecord;
