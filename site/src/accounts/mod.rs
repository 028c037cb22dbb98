//! Accounts: login and logout, passwords, and the list of a user's sessions.

mod device;
pub(crate) mod login;
pub(crate) mod logout;
mod new_password;
pub(crate) mod password_change;
pub(crate) mod password_reset;
pub(crate) mod sessions;
mod strength;
mod throttle;

pub(crate) use new_password::read_new_password;
pub(crate) use password_reset::is_address;
pub(crate) use strength::{UserAttributes, weaknesses};
