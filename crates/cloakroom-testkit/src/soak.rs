//! Soak tests, which repeat a race or a fault for a long time.
//!
//! By default, a test repeats its race or fault for a few rounds. If the environment variable
//! `CLOAKROOM_TEST_SOAK` is set to a number of seconds, each such test continues for at least that
//! long. If your test runner limits the time of a test, raise that limit for a soak.

use std::env;
use std::time::{Duration, Instant};

/// Returns the rounds of a test, numbered from 0.
///
/// There are at least `at_least` rounds. More follow until the time in `CLOAKROOM_TEST_SOAK` has
/// passed.
///
/// # Panics
/// If the variable is not a whole number.
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

/// Returns the time in `CLOAKROOM_TEST_SOAK`, or zero if the variable is empty or not set.
///
/// # Panics
/// If the variable is not a whole number.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use cloakroom_testkit::soak;
///
/// let sessions = if soak::time() == Duration::ZERO { 20_000 } else { 1_000_000 };
/// assert!(sessions >= 20_000);
/// ```
pub fn time() -> Duration {
    let secs = env::var(VARIABLE).ok().filter(|secs| !secs.is_empty());
    let secs = secs.map(|secs| secs.parse().ok());
    let secs = secs
        .map(|secs| secs.unwrap_or_else(|| panic!("{VARIABLE} is not a whole number of seconds")));
    Duration::from_secs(secs.unwrap_or_default())
}

const VARIABLE: &str = "CLOAKROOM_TEST_SOAK";
