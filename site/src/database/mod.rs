//! Opens the database file, or creates it with the demo catalogue.

mod demo;
mod open;
mod site_tables;
mod system;

pub(crate) use demo::DemoUser;
pub(crate) use open::{InitialData, load_demo, open};
