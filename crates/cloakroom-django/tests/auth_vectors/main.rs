//! What a real Django answered, and what this crate answers. One file a part of the vectors.
//!
//! The file of vectors is another if `CLOAKROOM_DJANGO_VECTORS` names one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod csrf;
mod logins;
mod messages;
mod passwords;
mod support;
#[path = "../../../cloakroom-django/tests/vectors/cases.rs"]
mod vectors;
