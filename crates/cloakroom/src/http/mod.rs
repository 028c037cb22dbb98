//! Headers: reading the session cookie, and writing `Set-Cookie`, `Vary` and `Cache-Control`.

mod cache_control;
mod candidates;
mod completion;
mod cookie;
mod effects;
mod handler_error;
#[cfg(feature = "tower")]
mod kept_headers;
mod set_cookie;

pub use cache_control::CacheControl;
pub(crate) use candidates::CookieSet;
pub use completion::Completion;
pub use cookie::{Cookie, CookieAttributes, SameSite};
pub use effects::Effects;
pub use handler_error::HandlerError;
#[cfg(feature = "tower")]
pub(crate) use kept_headers::keep_headers;
pub use set_cookie::SetCookie;
