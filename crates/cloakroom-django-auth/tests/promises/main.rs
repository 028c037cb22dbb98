//! What the documentation of this crate promises beyond what the vectors of a real Django show.

mod csrf;
mod house;
mod logins;
mod messages;
mod odd_input;
mod passwords;
mod tokens;
