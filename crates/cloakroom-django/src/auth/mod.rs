//! Logins as Django 5.2 keeps them in a session, for services that share their sessions and users with a Django site, or
//! that want to be able to.
//!
//! ```
//! # use std::borrow::Cow;
//! use cloakroom::Sessions;
//! use cloakroom::store::MemoryStore;
//! use cloakroom_django::auth::{Account, Auth, LoginStatus};
//!
//! # struct User { id: i64, password: String }
//! # impl Account for User {
//! #     fn id(&self) -> Cow<'_, str> { self.id.to_string().into() }
//! #     fn password(&self) -> &str { &self.password }
//! #     fn is_active(&self) -> bool { true }
//! # }
//! let auth = Auth::new("the SECRET_KEY of the Django site");
//! let session = Sessions::new(MemoryStore::new()).new_session();
//! # let ada = User { id: 7, password: "pbkdf2_sha256$1000000$salt$hash".into() };
//!
//! auth.log_in(&session, &ada)?;
//! assert_eq!(session.get::<String>("_auth_user_id")?.as_deref(), Some("7"));
//! assert_eq!(auth.claim(&session).expect("just logged in").id(), "7");
//! assert_eq!(auth.verify_or_flush(&session, &ada.password)?, LoginStatus::Valid);
//!
//! // Whoever changes the password ends the sessions that were begun with the old one.
//! assert_eq!(auth.verify_or_flush(&session, "pbkdf2_sha256$1000000$new$hash")?, LoginStatus::Ended);
//! assert!(session.is_empty());
//! # Ok::<(), cloakroom::Error>(())
//! ```
//!
//! # What you may rely on
//!
//! * **What Django wrote is read, and what is written here Django reads**: the items of the session, the hashes, the
//!   tokens, the cookie. The tests hold it to what a real Django 5.2 answered.
//! * **Made-up input names no user**: no text in a session, a cookie, a form or a password field panics or becomes an error
//!   page.
//! * **Secrets are compared in constant time**, and a login takes as long for an unknown user as for a known one, if
//!   [`Passwords::spend_time`] is called for the unknown.
//!
//! The README lists where it differs from Django on purpose.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`Auth`], [`Claim`], [`LoginStatus`] | who is logged in; login, logout, change of the password |
//! | [`Account`] | what a login must know of a user; implemented by you |
//! | [`Passwords`], [`Verdict`], [`passwords`] | password hashes |
//! | [`csrf`] | forms that only the site's own pages can send |
//! | [`messages`] | words for the next page |
//! | [`tokens`] | links that reset a password |
//!
//! # Features
//!
//! * `argon2`, `bcrypt`, `scrypt`: password hashes by these algorithms. PBKDF2, which is Django's
//!   default, is always there.

mod account;
mod alphabet;
pub mod csrf;
mod current_user;
mod login;
pub mod messages;
pub mod passwords;
mod session;
mod signing;
pub mod tokens;

pub use account::Account;
pub use csrf::Csrf;
pub use current_user::{Auth, LoginStatus};
pub use passwords::{Passwords, Verdict};
pub use session::Claim;
