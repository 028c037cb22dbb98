use cloakroom_django::wire::cookie::find;
use cloakroom_django::wire::key::{is_accepted, is_file_safe};

use crate::vectors::each;

#[test]
fn the_cookie_header_is_read_as_django_reads_it() {
    each("cookie_parse", |case| {
        let (header, name): (String, String) = (case.get("header"), case.get("name"));
        assert_eq!(find(header.as_bytes(), &name), case.find("value"));
    });
}

#[test]
fn the_keys_that_django_takes_are_taken() {
    each("session_key", |case| {
        let key: String = case.get("key");
        assert_eq!(is_accepted(&key), case.get::<bool>("accepted"));
        let file: bool = case.get("file_engine_characters_ok");
        assert_eq!(is_file_safe(&key), file);
    });
}
