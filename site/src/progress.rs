//! How far a long task has come, for whoever waits for it at a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const TEMPLATE: &str = "{msg} {wide_bar} {pos}/{len}";

/// A bar on stderr; nothing at all if that is not a terminal.
pub(crate) fn bar(words: &'static str, steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template above is sound");
    ProgressBar::new(steps as u64)
        .with_style(style)
        .with_message(words)
}
