//! Copies of books: the list, the page of a copy, the forms, ids and availability.

mod availability;
pub(crate) mod delete;
mod detail;
pub(crate) mod form;
mod id;
mod list;

pub(crate) use availability::{Availability, Status};
pub(crate) use detail::detail;
pub(crate) use id::CopyId;
pub(crate) use list::list;
