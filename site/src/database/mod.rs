//! The database file: opened, or created with the demo catalogue.

mod demo;
mod open;
mod own;
mod system;

pub(crate) use demo::DemoUser;
pub(crate) use open::{InitialData, load_demo, open};
