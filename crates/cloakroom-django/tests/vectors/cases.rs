//! Reads the cases in a section of the vectors, which are recorded answers of a real Django. Tests
//! of other crates include this file by its path.

use serde_json::Value;

/// Returns the cases of a section, from the file that `CLOAKROOM_DJANGO_VECTORS` names, or else
/// from `django.json` in this folder.
pub(crate) fn cases(section: &str) -> Vec<Value> {
    let path =
        std::env::var("CLOAKROOM_DJANGO_VECTORS").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut all: Value = serde_json::from_slice(&text).expect("the vectors are JSON");
    match all["sections"][section]["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("{path} has no section {section}"),
    }
}

const DEFAULT_PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../cloakroom-django/tests/vectors/django.json"
);
