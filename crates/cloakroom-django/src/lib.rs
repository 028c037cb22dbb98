//! Sessions that a Django site shares: its store, its cookie, its login.
//!
//! [`Settings`] has Django's settings under Django's names, with Django's defaults. Say there what the site's
//! `settings.py` says, choose the engine that `SESSION_ENGINE` names, and both programs serve the same visitors:
//!
//! | `SESSION_ENGINE` | | kept in |
//! |---|---|---|
//! | `django.contrib.sessions.backends.db` | [`Settings::db`] | the table `django_session` |
//! | `…cache` | [`Settings::cache`] | Django's cache: Redis or memcached |
//! | `…cached_db` | [`Settings::cached_db`] | both |
//! | `…file` | `cloakroom_file::django::open` | a file each |
//! | `…signed_cookies` | [`Settings::signed_cookies`] | the cookie |
//!
//! The stores for the first three are in the crates of the drivers, `cloakroom-sqlite` for instance.
//! The module [`wire`] reads and writes the bytes.
//!
//! # What Django users know differently
//!
//! Sessions work as everywhere in Cloakroom: requests record edits, saving compares, a logout is
//! final. `docs/django.md` lists every difference and its reason. Know these three from the start:
//!
//! * **Django itself saves the whole session, and the last save wins.** On `db` no edit that Django
//!   saved is lost here. On `cache`, `cached_db` and `file` Django compares nothing and leaves
//!   nothing to compare with, so the promises hold among the processes that use this crate. On all
//!   of them Django may overwrite what was saved here.
//! * **An item is a JSON value.** A value that the cache has and JSON has not, a `datetime` for
//!   instance, is kept and written back unchanged, and cannot be read here.
//! * **There are no owners.** The user who is logged in is stored in items.
//!   [`Session::log_in`](cloakroom::Session::log_in) gives the session a new key; the site sets the
//!   items, or the module `auth` does.
//!
//! # Features
//!
//! None is on by default.
//!
//! * `auth`: what `django.contrib.auth` keeps in a session, in the module `auth`. It includes
//!   password hashes by PBKDF2, which is Django's default.
//! * `argon2`, `bcrypt`, `scrypt`: password hashes by these algorithms. Each turns on `auth`.

#[cfg(feature = "auth")]
pub mod auth;
pub mod engine;
mod random;
pub mod wire;

pub use engine::Settings;

/// The program in the README runs.
#[cfg(all(doctest, feature = "argon2"))]
#[doc = include_str!("../README.md")]
struct Readme;
