//! The JSON object inside Django's signed text, as Python 3.11's `json` reads and writes it.
//!
//! RFC 8259 with Python's deviations:
//!
//! * **Written**: the text is ASCII, and only its strings contain spaces. Members keep their order.
//!   In strings, every character outside of the range `0x20` to `0x7E` is escaped: five control
//!   characters as `\b`, `\f`, `\n`, `\r` and `\t`, and all others as `\u` and four lower-case
//!   hexadecimal digits. A character above U+FFFF becomes a surrogate pair. Floats are formatted as
//!   in Python (`1e+16`), integers have up to [`MAX_DIGITS`] digits, and `NaN`, `Infinity` and
//!   `-Infinity` may occur.
//! * **Read**: spaces are accepted where RFC 8259 allows them. Of duplicate members, the last value
//!   counts, at the position of the first. Bytes above `0x7F` are read as Latin-1, as in Django, so
//!   an `é` that another program wrote in UTF-8 is read as `Ã©`.
//!
//! # Values without a Rust type
//!
//! Python's strings can contain half of a surrogate pair, and its numbers can be NaN or longer than
//! 64 bits. The text of such a value is kept and written back unchanged, but reading the value as a
//! Rust type is an error.
//!
//! An item whose *name* is not a valid Rust string gets a substitute name: the noncharacter U+FDD0,
//! followed by the JSON text of the original name without its quotes. Writing restores the original
//! name.

use bytes::Bytes;
use cloakroom::session::{Items, Value};
use cloakroom::{Error, ErrorKind, Result};

pub(super) mod name;
mod scan;
mod writer;
pub(super) use scan::{Sink, push};
pub(super) use writer::JsonWriter;

use name::{as_pickled, as_text, name};
use scan::{Charset, Scanner};

/// The largest number of digits in an integer. Python has the same limit.
pub const MAX_DIGITS: usize = 4_300;

/// The deepest nesting of lists and objects. Python's own limit is slightly lower.
pub const MAX_DEPTH: usize = 1_000;

/// The error for text that Python's `json` would not read, or that exceeds [`MAX_DIGITS`] or
/// [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotJson;

impl std::fmt::Display for NotJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is not JSON")
    }
}

impl std::error::Error for NotJson {}

/// Parses an object into items. The values contain the text that Python would write for them.
///
/// Text whose top level is not an object is read as an empty object.
///
/// # Errors
/// [`NotJson`].
///
/// # Examples
/// ```
/// use cloakroom_django::wire::json;
///
/// let items = json::read(b"{\"name\": \"Zo\\u00eb\", \"n\": 1E5, \"n\": NaN}")?;
/// assert_eq!(items.get("name").unwrap().get::<String>().unwrap(), "Zoë");
/// assert!(items.get("n").unwrap().get::<f64>().is_err());
/// assert_eq!(json::write(&items).unwrap(), "{\"name\":\"Zo\\u00eb\",\"n\":NaN}");
/// # Ok::<(), json::NotJson>(())
/// ```
pub fn read(text: &[u8]) -> Result<Items, NotJson> {
    let mut scanner = Scanner::new(text, Charset::Latin1);
    let mut writer = JsonWriter::with_capacity(text.len());
    let mut found = Vec::new();
    if scanner.opens_object() {
        while let Some(key) = scanner.next_key(found.is_empty())? {
            let name = name(key);
            let start = writer.len();
            scanner.value(&mut writer)?;
            found.push((name, start..writer.len()));
        }
    } else {
        scanner.value(&mut writer)?;
    }
    scanner.end()?;

    let text = Bytes::from(writer.into_bytes());
    let mut items = Items::new();
    for (name, range) in found {
        items.set(name, Value::from_json(text.slice(range)));
    }
    Ok(items)
}

/// Writes items as a JSON object, in the text that Python would write.
///
/// # Errors
/// [`BadValue`](ErrorKind::BadValue) if a value is [foreign](Value::foreign) and therefore has no
/// JSON form, if a value exceeds Python's limits, or if a name is the substitute that
/// [`pickle::read`](super::pickle::read) makes for a key that is not a string.
///
/// # Examples
/// ```
/// use cloakroom::session::{Items, Value};
/// use cloakroom_django::wire::json;
///
/// let mut items = Items::new();
/// items.set("name".into(), Value::of("Zoë")?);
/// assert_eq!(json::write(&items)?, r#"{"name":"Zo\u00eb"}"#);
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub fn write(items: &Items) -> Result<String> {
    let mut writer = JsonWriter::with_capacity(64);
    writer.dict();
    for (name, value) in items.iter() {
        if as_pickled(name).is_some() {
            return Err(Error::new(
                ErrorKind::BadValue,
                "writing a session for Django: an item that was read from the cache has a name \
                 that is not a string, which JSON does not allow",
            ));
        }
        writer.key(&as_text(name));
        scan_value(value, &mut writer)?;
    }
    writer.dict_end();
    Ok(String::from_utf8(writer.into_bytes()).expect("Python writes ASCII"))
}

/// Passes the parts of a value to `sink`.
pub(super) fn scan_value(value: &Value, sink: &mut impl Sink) -> Result<()> {
    let text = value.as_json()?;
    let mut scanner = Scanner::new(text, Charset::Utf8);
    let scanned = match std::str::from_utf8(text) {
        Ok(_) => scanner.value(sink).and_then(|()| scanner.end()),
        Err(_) => Err(NotJson),
    };
    scanned.map_err(|source| {
        Error::new(
            ErrorKind::BadValue,
            "writing a session for Django: a value is not JSON, is nested too deeply, or \
             contains a number with too many digits",
        )
        .with_source(source)
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_handlers_value_is_written_as_python_writes_it() {
        for (text, python) in [
            ("1e16", "1e+16"),
            ("1E5", "100000.0"),
            ("1.50", "1.5"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1e-5", "1e-05"),
            ("0.0001", "0.0001"),
            ("9007199254740993.0", "9007199254740992.0"),
            ("1e400", "Infinity"),
            ("1197978117570329.25", "1197978117570329.2"),
            ("629345464469142.25", "629345464469142.2"),
            ("\"\u{7f}é\u{1f600}/\"", r#""\u007f\u00e9\ud83d\ude00/""#),
            (r#""\u00E9\/\b\f\u000b""#, r#""\u00e9/\b\f\u000b""#),
            (
                "[ 1 , { \"b\" : 2 , \"a\" : [ ] } ]",
                r#"[1,{"b":2,"a":[]}]"#,
            ),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#"{"a":1,"\u0061":3}"#, r#"{"a":3}"#),
        ] {
            let mut items = Items::new();
            let value = Value::from_json(Bytes::copy_from_slice(text.as_bytes()));
            items.set("x".into(), value);
            assert_eq!(write(&items).unwrap(), format!("{{\"x\":{python}}}"));
        }
    }

    #[test]
    fn text_from_python_is_written_back_byte_for_byte() {
        let huge = "9".repeat(MAX_DIGITS);
        let deep = "[".repeat(MAX_DEPTH - 1) + &"]".repeat(MAX_DEPTH - 1);
        for text in [
            "{}",
            r#"{"b":1,"a":2,"10":3,"9":4,"":5}"#,
            r#"{"n":[NaN,Infinity,-Infinity,-0.0,1e+16,1e-05,5e-324,1.7976931348623157e+308]}"#,
            r#"{"s":"\ud800","t":"\udc00\ud83d","\udfff":1,"\ud83d\ude00":2}"#,
            r#"{"\ufdd0":1,"\ufdd0\\ud800":2,"\ufdd0x":3}"#,
            r#"{"d":"a\u007fb\u0080\u00ff\u2028\ufeff"}"#,
            &format!("{{\"i\":{huge},\"j\":-{huge}}}"),
            &format!("{{\"d\":{deep}}}"),
        ] {
            let items = read(text.as_bytes()).unwrap();
            assert_eq!(write(&items).unwrap(), text);
        }
    }

    #[test]
    fn bytes_are_read_as_latin_1_as_in_django() {
        let items = read("{\"é\":\"é\"}".as_bytes()).unwrap();

        assert_eq!(items.get("Ã©").unwrap().get::<String>().unwrap(), "Ã©");
        assert_eq!(write(&items).unwrap(), r#"{"\u00c3\u00a9":"\u00c3\u00a9"}"#);
    }

    #[test]
    fn a_name_that_is_not_a_rust_string_has_a_substitute() {
        let items = read(br#"{"a\ud800":1}"#).unwrap();

        let (name, value) = items.iter().next().unwrap();
        assert_eq!(name, "\u{fdd0}a\\ud800");
        assert_eq!(value.get::<u8>().unwrap(), 1);
        let mut items = Items::new();
        items.set("\u{fdd0}a".into(), Value::of(&1).unwrap());
        assert_eq!(write(&items).unwrap(), r#"{"\ufdd0a":1}"#);
    }

    #[test]
    fn a_top_level_that_is_not_an_object_is_read_as_empty() {
        for text in ["[]", "null", " [1, {\"a\": 2}] ", "\"text\"", "NaN", "1.5"] {
            assert!(read(text.as_bytes()).unwrap().is_empty(), "{text}");
        }
    }

    #[test]
    fn text_that_python_refuses_is_refused() {
        let huge = format!("{{\"i\":{}}}", "9".repeat(MAX_DIGITS + 1));
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        let bomb = "[".repeat(1_000_000);
        let bad: [&[u8]; 32] = [
            b"",
            b" ",
            b"{",
            b"}",
            b"{}x",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b"{\"a\"}",
            b"{\"a\":}",
            b"{\"a\":1,}",
            b"{,\"a\":1}",
            b"{a:1}",
            b"{'a':1}",
            b"{\"a\":[1,]}",
            b"{\"a\":[,1]}",
            b"{\"a\":[1 2]}",
            b"{\"a\":[1}",
            b"{\"a\":01}",
            b"{\"a\":1.}",
            b"{\"a\":.5}",
            b"{\"a\":+1}",
            b"{\"a\":-}",
            b"{\"a\":1e}",
            b"{\"a\":nan}",
            b"{\"a\":-NaN}",
            b"{\"a\":\"\n\"}",
            b"{\"a\":\"\\x\"}",
            b"{\"a\":\"\\u12g4\"}",
            b"{\"a\":\"\\u123\"}",
            huge.as_bytes(),
            deep.as_bytes(),
            bomb.as_bytes(),
        ];
        for text in bad {
            let shown = String::from_utf8_lossy(&text[..text.len().min(40)]);
            assert_eq!(read(text).err(), Some(NotJson), "{shown}");
        }
    }

    #[test]
    fn a_foreign_value_is_refused() {
        let mut items = Items::new();
        items.set("d".into(), Value::foreign(Bytes::from_static(b"N.")));

        assert_eq!(write(&items).unwrap_err().kind(), ErrorKind::BadValue);
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in any::<Vec<u8>>()) {
            let _ = read(&text);
        }

        #[test]
        fn text_that_was_read_is_written_the_same_every_time(
            text in concat!(
                r#"\{("(a|\\u[0-9a-f]{4}|\\n|é){0,3}":"#,
                r#"(-?[0-9]{1,3}(\.[0-9]{1,3})?(e[0-9]{1,3})?|"b\\"|\[\[\{\}, true\]\]|NaN)"#,
                r#", ?){0,3}"x":null\}"#,
            ),
        ) {
            if let Ok(items) = read(text.as_bytes()) {
                let written = write(&items).unwrap();
                prop_assert_eq!(write(&read(written.as_bytes()).unwrap()).unwrap(), written);
            }
        }

        #[test]
        fn a_value_is_read_as_it_was_set(
            values in btree_map(".{0,8}", (any::<f64>(), ".{0,8}", any::<i64>()), 0..5),
        ) {
            let mut items = Items::new();
            for (name, value) in &values {
                items.set(name.clone().into(), Value::of(value).unwrap());
            }
            let text = write(&items).unwrap();
            prop_assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            let items = read(text.as_bytes()).unwrap();
            prop_assert_eq!(items.len(), values.len());
            for (name, value) in &values {
                let read: (f64, String, i64) = items.get(name).unwrap().get().unwrap();
                prop_assert_eq!(&read, value);
            }
        }
    }
}
