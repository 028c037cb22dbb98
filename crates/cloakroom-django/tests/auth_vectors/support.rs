//! Runs the cases in a section of the vectors, which are recorded answers of a real Django.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::vectors::cases;

/// Runs `check` on every case of a section, except those in [`EXEMPTIONS`]. Panics with the ids of
/// the cases that failed.
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

/// Returns why this case intentionally differs from Django, or `None` if it must not differ.
fn exemption(case: &Value) -> Option<&'static str> {
    let name = case["name"].as_str()?;
    let entry = EXEMPTIONS.iter().find(|(exempt, _)| *exempt == name)?;
    Some(entry.1)
}

/// The cases that intentionally differ from Django, by name, with the reason. The tests in
/// `tests/auth` check what happens instead.
const EXEMPTIONS: &[(&str, &str)] = &[(
    "same user again keeps the key",
    "every login makes a new key, so that a key stolen before the login opens nothing",
)];

fn id(case: &Value) -> String {
    text(&case["id"]).to_owned()
}

pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not text"))
}

pub(crate) fn flag(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| panic!("{value} is not a bool"))
}
