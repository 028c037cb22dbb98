//! Progress bars for long tasks.

use indicatif::{ProgressBar, ProgressStyle};

const TEMPLATE: &str = "{msg} {wide_bar} {pos}/{len}";

/// Creates a progress bar on stderr. It is hidden if stderr is not a terminal.
pub(crate) fn bar(label: &'static str, steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template above is valid");
    ProgressBar::new(steps as u64)
        .with_style(style)
        .with_message(label)
}
