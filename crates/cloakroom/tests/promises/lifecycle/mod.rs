//! The life of a request: tests for most rows of the table "The life of a request" in
//! ARCHITECTURE.md.

mod ending;
mod failing;
mod flushing;
mod lost_answers;
mod new_keys;
mod reading;
mod save_now;
mod tombstones;
mod writing;
