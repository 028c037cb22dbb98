//! What all pages share.

mod bounds;
pub(crate) mod csrf;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod form_page;
pub(crate) mod guard;
pub(crate) mod headers;
mod health;
pub(crate) mod hosts;
pub(crate) mod layout;
pub(crate) mod methods;
mod multipart;
pub(crate) mod next;
pub(crate) mod paging;
pub(crate) mod record_id;
mod request_id;
mod request_log;
pub(crate) mod routes;
pub(crate) mod static_files;
pub(crate) mod visit;
