#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod driver;
mod encryption;
mod fault;
#[cfg(feature = "rustls")]
mod verifying;

pub use driver::Driver;
pub use encryption::{Encryption, Verification, is_local};
pub use fault::explain;
#[cfg(feature = "rustls")]
pub use verifying::install_ring;
