//! Accounts: users and what they may do, logging in and out, passwords, and the browsers in which one is logged in.

mod device;
mod hashing;
pub(crate) mod login;
pub(crate) mod logout;
mod new_password;
pub(crate) mod password_change;
pub(crate) mod password_reset;
mod permission;
pub(crate) mod sessions;
mod strength;
mod throttle;
mod user;

pub(crate) use hashing::Hashing;
pub(crate) use new_password::read_new_password;
pub(crate) use password_reset::is_address;
pub(crate) use permission::Permission;
pub(crate) use strength::{Known, weaknesses};
pub(crate) use user::User;
