//! The code that all pages share. Nothing here imports a page. `routes.rs` imports the pages and
//! this code, and connects them.
//!
//! | to write | use |
//! |---|---|
//! | a form | [`fields::Fields`], [`form::Form`], [`form_page::FormPage`] |
//! | a list that is split into pages | [`paging::Paging`] |
//! | a message on the next page | [`visitor::add_message`](crate::visitor::add_message) |
//! | a page for some visitors only | [`guard`] |
//! | an error | [`error::PageError`] |

pub(crate) mod bounds;
mod browser_secret;
pub(crate) mod csrf;
pub(crate) mod error;
pub(crate) mod error_page;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod form_page;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod health;
pub(crate) mod hosts;
pub(crate) mod layout;
pub(crate) mod methods;
mod multipart;
pub(crate) mod next;
pub(crate) mod paging;
pub(crate) mod record_id;
mod request_id;
pub(crate) mod request_log;
pub(crate) mod static_files;
pub(crate) mod visit;
pub(crate) mod visit_layer;
