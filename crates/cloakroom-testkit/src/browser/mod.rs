mod browser;
mod cookie;
mod jar;
mod origin;
mod page;

pub use browser::Browser;
pub use cookie::{Cookie, SameSite};
pub use page::Page;
