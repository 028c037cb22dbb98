//! How a session looks outside of the program: the key in the cookie, the lookup in the store, the bytes of an entry.
//!
//! [`Own`] is Cloakroom's format and the default. Whatever is particular to another framework's sessions stands
//! behind [`Format`]; the core asks its [`Rules`] and never which format it is.

mod format;
mod own;
mod rules;

pub use format::Format;
pub use own::Own;
pub use rules::{Facts, OnCorrupt, OnDuplicates, OnExpired, OnUnknownKey, Rules, Tags};
