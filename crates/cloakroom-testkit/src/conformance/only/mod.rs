//! Adapters for stores that keep only a part of an entry.

mod bytes;
mod only;
mod text;

pub use bytes::OnlyBytes;
pub use only::Only;
pub use text::OnlyText;
