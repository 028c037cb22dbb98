//! A site's sessions: how they behave, whose they are, and when they are swept.

mod builder;
mod owners;
mod sessions;
mod sweep;

pub use builder::SessionsBuilder;
pub use owners::SessionSummary;
pub use sessions::Sessions;
pub use sweep::Sweep;
