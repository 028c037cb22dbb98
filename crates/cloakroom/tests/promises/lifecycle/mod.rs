//! The life of a request: one or more tests for each row of the table in ARCHITECTURE.md.

mod ending;
mod failing;
mod flushing;
mod lost_answers;
mod new_keys;
mod reading;
mod save_now;
mod tombstones;
mod writing;
