#![doc = include_str!("../README.md")]
#![cfg(unix)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "django")]
pub mod django;
mod entries;
mod entry_path;
mod fault;
mod folder;
mod owners;
mod record;
mod root;
mod store;
mod sweep;
mod threads;

pub use store::FileStore;
