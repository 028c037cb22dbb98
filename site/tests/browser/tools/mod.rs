//! The site as a process, and browsers.

mod browser;
mod devtools;
mod driver;
mod need;
mod site;
mod supervised_program;

use std::time::Duration;

pub(crate) use fantoccini::key::Key;

pub(crate) use browser::{Browser, Setup};
pub(crate) use need::axe;
pub(crate) use site::Site;

/// The time limit for steps that take a moment on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);
