//! Stores with less room for an entry than the suite's entries take.

mod bytes;
mod only;
mod text;

pub use bytes::OnlyBytes;
pub use only::Only;
pub use text::OnlyText;
