//! Formats: how session keys look, how store keys are derived from them, and how data is encoded.
//!
//! [`DefaultFormat`] is Cloakroom's format and the default. A [`Format`] for the sessions of
//! another framework states in its [`FormatRules`] where its behaviour differs. The other modules
//! follow these rules and never check which format is in use.

mod default;
mod format;
mod rules;

pub use default::DefaultFormat;
pub use format::Format;
pub use rules::{Facts, FormatRules, OnCorrupt, OnDuplicates, OnExpired, OnUnknownKey, Tags};
