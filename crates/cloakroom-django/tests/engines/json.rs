use cloakroom_django::wire::json;

use crate::vectors::{each, spelled};

#[test]
fn sessions_are_written_as_in_django() {
    each("json_encode", |case| {
        let django: String = case.get("json");
        let read = json::read(django.as_bytes()).unwrap();
        assert_eq!(spelled(&read), django, "read from Django");
        if !case.has("value_unrepresentable") {
            assert_eq!(spelled(&case.state("value")), django, "set by a handler");
        }
    });
}
