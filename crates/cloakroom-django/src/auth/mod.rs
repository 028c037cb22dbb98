//! Logins, as Django 5.2 stores them in a session.
//!
//! This module is for services that share their sessions and users with a Django site, or may share
//! them later. It needs no web framework: it reads headers from an [`http::HeaderMap`], and a user
//! is any type that implements [`Account`].
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
//! let auth = Auth::new("the site's SECRET_KEY");
//! let session = Sessions::new(MemoryStore::new()).new_session();
//! # let ada = User { id: 7, password: "pbkdf2_sha256$1000000$salt$hash".into() };
//!
//! auth.log_in(&session, &ada)?;
//! assert_eq!(session.get::<String>("_auth_user_id")?.as_deref(), Some("7"));
//! assert_eq!(auth.claim(&session).expect("just logged in").id(), "7");
//! assert_eq!(auth.verify_or_flush(&session, &ada.password)?, LoginStatus::Valid);
//!
//! // A new password ends the sessions that were started with the old one.
//! let new_password = "pbkdf2_sha256$1000000$new$hash";
//! assert_eq!(auth.verify_or_flush(&session, new_password)?, LoginStatus::Ended);
//! assert!(session.is_empty());
//! # Ok::<(), cloakroom::Error>(())
//! ```
//!
//! # What you may rely on
//!
//! * **Django and this module read what the other writes**: the items of the session, the hashes,
//!   the tokens and the cookies. The tests compare all of these with the output of a real Django
//!   5.2.
//! * **Malformed input logs no user in.** Text in a session, a cookie, a form or a password field
//!   never causes a panic or an error page.
//! * **Secrets are compared in constant time.** A login of an unknown user takes as long as a login
//!   of a known user, if you call [`Passwords::spend_time`] for the unknown user.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`Auth`], [`Claim`], [`LoginStatus`] | who is logged in; login, logout, change of the password |
//! | [`Account`] | what a login reads from a user; you implement it |
//! | [`Passwords`], [`Verdict`], [`passwords`] | password hashes |
//! | [`csrf`] | CSRF protection for forms |
//! | [`messages`] | messages for the next page |
//! | [`tokens`] | links that reset a password |
//!
//! # Differences from Django
//!
//! * Every login gives the session a new key, even if the same user was already logged in.
//! * If the user id or the backend in a session cannot be read, the visitor is anonymous. Django
//!   responds with a 500.
//! * A damaged password hash matches no password. Django responds with a 500. A hash counts as
//!   damaged if its cost would keep a thread busy for minutes or take gigabytes of memory.
//! * If a request has several `csrftoken` cookies with different values, all of them are ignored.
//!   Django uses the last one.
//! * Messages that cannot be read are skipped. Django responds with a 500.
//! * At a login, you must write `last_login` and renew the CSRF cookie yourself. Only a CSRF secret
//!   in the session is renewed automatically.

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
