//! How long the tests go on that may go on: races, faults, and processes that are killed.
//!
//! The environment says it, in the variable `CLOAKROOM_TEST_SOAK`: so many seconds each, instead of the few rounds that
//! are enough for a change. `cargo nextest run --profile soak` has the patience for it.

use std::env;
use std::time::{Duration, Instant};

/// The rounds of a test: `at_least` so many, and more for as long as the environment says.
///
/// # Panics
/// If the variable is no whole number.
///
/// # Examples
/// ```
/// use cloakroom_testkit::soak;
///
/// let mut rounds = 0;
/// for _ in soak::rounds(3) {
///     rounds += 1;
/// }
/// assert!(rounds >= 3);
/// ```
pub fn rounds(at_least: usize) -> impl Iterator<Item = usize> {
    let until = Instant::now() + time();
    (0..).take_while(move |round| *round < at_least || Instant::now() < until)
}

/// How long the environment lets each test go on; nothing, if it does not say.
///
/// # Panics
/// As [`rounds`].
pub fn time() -> Duration {
    let secs = env::var(VARIABLE).ok().filter(|secs| !secs.is_empty());
    let secs = secs.map(|secs| secs.parse().ok());
    let secs = secs.map(|secs| secs.unwrap_or_else(|| panic!("{VARIABLE} is a number of seconds")));
    Duration::from_secs(secs.unwrap_or_default())
}

const VARIABLE: &str = "CLOAKROOM_TEST_SOAK";
