//! Compares the module `auth` with the answers of a real Django. Each file runs some sections of
//! the vectors.
//!
//! `CLOAKROOM_DJANGO_VECTORS` names another file of vectors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod csrf;
mod logins;
mod messages;
mod passwords;
mod support;
#[path = "../../../cloakroom-django/tests/vectors/cases.rs"]
mod vectors;
