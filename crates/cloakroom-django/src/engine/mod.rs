//! Django's settings, and its session engines as backends.

mod cookie;
mod pickled;
mod settings;
mod signed;

pub use settings::Settings;
pub use signed::SignedFormat;
