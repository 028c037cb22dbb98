//! skeleton

mod account;
mod auth;
mod csrf;
mod login;
pub mod passwords;
mod random;
mod session;
mod signing;

pub use account::Account;
pub use auth::{Auth, Standing};
pub use passwords::{Passwords, Verdict};
pub use session::Claim;
