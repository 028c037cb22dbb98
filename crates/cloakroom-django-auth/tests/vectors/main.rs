//! What a real Django answered, and what this crate answers. One file a section of the vectors.

mod passwords;
mod support;
