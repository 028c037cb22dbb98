//! Records that are a name and nothing else: what genres and languages share.

mod delete;
mod detail;
mod form;
mod list;
mod record;

pub(crate) use record::NamedRecord;
