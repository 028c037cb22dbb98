//! Compares the module `auth` with the vectors: recorded answers of a real Django, grouped into
//! sections. Each file runs some of the sections.
//!
//! The environment variable `CLOAKROOM_DJANGO_VECTORS` can name another file of vectors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod csrf;
mod logins;
mod messages;
mod passwords;
mod support;
#[path = "../../../cloakroom-django/tests/vectors/cases.rs"]
mod vectors;
