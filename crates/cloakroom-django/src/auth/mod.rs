//! Logins as Django 5.2 keeps them in a session.
//!
//! For services that share their sessions and users with a Django site, or may do so later. It
//! needs no web framework: requests are [`http::HeaderMap`]s, and users are whatever your query
//! returns.
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
//! * **Both programs read what either wrote**: the items of the session, the hashes, the tokens and
//!   the cookies. The tests compare with the answers of a real Django 5.2.
//! * **Forged input names no user.** No text in a session, a cookie, a form or a password field
//!   causes a panic or an error page.
//! * **Secrets are compared in constant time.** A login takes as long for an unknown user as for a
//!   known one if you call [`Passwords::spend_time`] for the unknown one.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`Auth`], [`Claim`], [`LoginStatus`] | who is logged in; login, logout, change of the password |
//! | [`Account`] | what a login reads from a user; you implement it |
//! | [`Passwords`], [`Verdict`], [`passwords`] | password hashes |
//! | [`csrf`] | forms that only the site's own pages can send |
//! | [`messages`] | messages for the next page |
//! | [`tokens`] | links that reset a password |
//!
//! # Differences from Django
//!
//! * Every login gives the session a new key, even if the same user was already logged in.
//! * A session whose user id or backend cannot be read has no user. Django answers 500.
//! * A damaged password hash matches no password. Django answers 500. A hash whose cost would keep
//!   a thread busy for minutes or take gigabytes counts as damaged.
//! * If a request has several different cookies `csrftoken`, none of them counts. In Django the
//!   last one does.
//! * Messages that cannot be read are dropped. Django answers 500.
//! * Writing `last_login` and renewing the CSRF cookie at a login are up to you. A CSRF secret in
//!   the session is renewed automatically.

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
