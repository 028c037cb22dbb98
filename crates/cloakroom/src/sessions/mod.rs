//! The sessions of a site: configuration, sessions by owner, and the sweep.

mod builder;
mod owners;
mod sessions;
mod sweep;

pub use builder::SessionsBuilder;
pub use owners::SessionSummary;
pub use sessions::Sessions;
pub use sweep::Sweep;
