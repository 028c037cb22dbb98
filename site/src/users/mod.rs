//! Users, what they may do, and the hashes of their passwords. The pages of accounts are in
//! `accounts/`.

mod hashing;
mod permission;
mod user;
pub(crate) mod username;

pub(crate) use hashing::{Hashing, HashingError};
pub(crate) use permission::Permission;
pub(crate) use user::User;
