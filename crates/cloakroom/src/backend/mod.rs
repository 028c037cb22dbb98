//! Where sessions are kept, and in which format: in one store, in two tiers, or in the cookie.

mod backend;
mod cache;
mod cached;
mod call_limit;
mod cookie;
mod decode;
mod loads;
mod tier;
mod write_through;

pub use backend::Backend;
pub use cached::CachedBackend;
pub(crate) use call_limit::CallLimit;
pub use cookie::CookieBackend;
pub(crate) use decode::Loaded;
pub use write_through::WriteThroughBackend;
