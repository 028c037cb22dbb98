//! What all pages share.

pub(crate) mod error;
pub(crate) mod headers;
pub(crate) mod hosts;
pub(crate) mod layout;
pub(crate) mod methods;
pub(crate) mod paging;
pub(crate) mod record_id;
pub(crate) mod routes;
pub(crate) mod static_files;
