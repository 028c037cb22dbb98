use cloakroom_django::wire::json;

use crate::vectors::{each, to_json};

#[test]
fn sessions_are_written_as_in_django() {
    each("json_encode", |case| {
        let django: String = case.get("json");
        let read = json::read(django.as_bytes()).unwrap();
        assert_eq!(to_json(&read), django, "read from Django");
        if !case.has("value_unrepresentable") {
            assert_eq!(to_json(&case.items("value")), django, "set by a handler");
        }
    });
}
