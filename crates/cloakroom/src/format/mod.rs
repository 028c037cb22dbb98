//! How a session looks outside of the program: the key in the cookie, the lookup in the store, the bytes of an entry.
//!
//! [`DefaultFormat`] is Cloakroom's format and the default. Whatever is particular to another framework's sessions stands
//! behind [`Format`]; the core asks its [`FormatRules`] and never which format it is.

mod default;
mod format;
mod rules;

pub use default::DefaultFormat;
pub use format::Format;
pub use rules::{Facts, FormatRules, OnCorrupt, OnDuplicates, OnExpired, OnUnknownKey, Tags};
