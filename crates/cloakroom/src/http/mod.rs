//! The headers of a session: the cookie that is read and set, and what a response gets besides.

mod candidates;
mod cookie;
mod effects;
mod set_cookie;

pub use cookie::{Cookie, CookieAttributes, SameSite};
pub use effects::Effects;
pub use set_cookie::SetCookie;
