#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod browser;
mod clock;
pub mod conformance;
pub mod faults;
mod log;
mod ports;
mod proxy;
pub mod soak;
mod unique_name;
pub mod wrap;

pub use browser::{Browser, Cookie, Page, SameSite};
pub use clock::HandClock;
pub use log::Log;
pub use ports::reusable_port;
pub use proxy::Proxy;
pub use unique_name::unique_name;
