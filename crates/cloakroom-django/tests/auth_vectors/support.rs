//! The vectors, and how a section of them is run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::vectors::cases;

/// Runs `check` on every case of a section but the exempt ones, and says which failed.
pub(crate) fn each(section: &str, check: impl Fn(&Value)) {
    let cases = cases(section);
    assert!(!cases.is_empty(), "the section {section} has no cases");
    let failed: Vec<_> = cases
        .iter()
        .filter(|case| exemption(case).is_none())
        .filter(|case| catch_unwind(AssertUnwindSafe(|| check(case))).is_err())
        .map(id)
        .collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Why the answer to this case is meant to be another than Django's, if it is.
fn exemption(case: &Value) -> Option<&'static str> {
    let name = case["name"].as_str()?;
    let entry = EXEMPTIONS.iter().find(|(exempt, _)| *exempt == name)?;
    Some(entry.1)
}

/// Every case whose answer differs from Django's, by its name, with the reason. What is answered instead is a test in
/// `tests/promises`.
const EXEMPTIONS: &[(&str, &str)] = &[(
    "same user again keeps the key",
    "every login makes a new key, so that one that was overheard before it is worthless",
)];

fn id(case: &Value) -> String {
    text(&case["id"]).to_owned()
}

pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

pub(crate) fn flag(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| panic!("{value} is no flag"))
}
