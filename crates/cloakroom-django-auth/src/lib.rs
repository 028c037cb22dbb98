//! skeleton

mod account;
mod auth;
pub mod csrf;
mod login;
pub mod messages;
pub mod passwords;
mod random;
mod session;
mod signing;
pub mod tokens;

pub use account::Account;
pub use auth::{Auth, Standing};
pub use csrf::Csrf;
pub use passwords::{Passwords, Verdict};
pub use session::Claim;
