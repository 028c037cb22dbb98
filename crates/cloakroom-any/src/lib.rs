#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "django")]
mod engine;
mod error;
mod kind;
mod open;
mod scheme;
mod url;

pub use url::StoreUrl;
