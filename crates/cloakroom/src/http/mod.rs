//! Headers: reading the session cookie, and writing `Set-Cookie`, `Vary` and `Cache-Control`.

mod candidates;
mod completion;
mod cookie;
mod effects;
mod handler_error;
mod set_cookie;

pub(crate) use candidates::CookieSet;
pub use completion::Completion;
pub use cookie::{Cookie, CookieAttributes, SameSite};
pub use effects::Effects;
pub use handler_error::HandlerError;
pub use set_cookie::SetCookie;
