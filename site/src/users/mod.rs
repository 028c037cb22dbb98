//! Users, their permissions and their password hashes. The pages of accounts are in `accounts/`.

mod hashing;
mod permission;
mod user;
pub(crate) mod username;

pub(crate) use hashing::{Hashing, HashingError};
pub(crate) use permission::Permission;
pub(crate) use user::User;
