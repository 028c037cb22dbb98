//! The object inside Django's signed text, as Python 3.11's `json` reads and writes it.
//!
//! It is RFC 8259 with Python's ways. Written: no spaces, members in their order, nothing but ASCII from `0x20` to `0x7E`
//! (everything else as `\u` and lower-case hex, above U+FFFF as a surrogate pair), floats in Python's layout (`1e+16`), integers
//! of any size up to [`MAX_DIGITS`], and bare `NaN`, `Infinity` and `-Infinity`. Read: spaces may stand where RFC 8259 allows
//! them, of duplicate members the last counts and the first keeps its place, and bytes above `0x7F` are Latin-1, so that
//! another program's UTF-8 becomes `Ã©` here as it does in Django.
//!
//! # What no Rust type takes
//!
//! Python's strings can hold half of a surrogate pair, and its numbers are NaN or longer than 64 bits. A value with such a
//! thing in it keeps its text, reading it as a Rust type is an error, and it is written again as it was. An item whose *name*
//! is no Rust string gets one that stands for it: U+FDD0, which is no character, and the name's JSON text. Writing turns it
//! back.

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

/// The most digits of an integer, which is Python's own limit.
pub const MAX_DIGITS: usize = 4_300;

/// The most lists and objects within each other. Python gives up a little earlier.
pub const MAX_DEPTH: usize = 1_000;

/// A text that Python's `json` would not read, or only with higher limits than [`MAX_DIGITS`] and [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotJson;

impl std::fmt::Display for NotJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is not JSON")
    }
}

impl std::error::Error for NotJson {}

/// Takes an object apart, item by item. The values have the text that Python would write for them.
///
/// A text whose top level is something else than an object counts as an empty one.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::json;
///
/// let state = json::read(b"{\"name\": \"Zo\\u00eb\", \"n\": 1E5, \"n\": NaN}")?;
/// assert_eq!(state.get("name").unwrap().get::<String>().unwrap(), "Zoë");
/// assert!(state.get("n").unwrap().get::<f64>().is_err());
/// assert_eq!(json::write(&state).unwrap(), "{\"name\":\"Zo\\u00eb\",\"n\":NaN}");
/// # Ok::<(), json::NotJson>(())
/// ```
///
/// # Errors
/// [`NotJson`].
pub fn read(text: &[u8]) -> Result<Items, NotJson> {
    let mut scanner = Scanner::new(text, Charset::Latin1);
    let mut writer = JsonWriter::with_capacity(text.len());
    let mut items = Vec::new();
    if scanner.opens_object() {
        while let Some(key) = scanner.next_key(items.is_empty())? {
            let name = name(key);
            let start = writer.len();
            scanner.value(&mut writer)?;
            items.push((name, start..writer.len()));
        }
    } else {
        scanner.value(&mut writer)?;
    }
    scanner.end()?;

    let text = Bytes::from(writer.into_bytes());
    let mut state = Items::new();
    for (name, range) in items {
        state.set(name, Value::from_json(text.slice(range)));
    }
    Ok(state)
}

/// Puts the object together as Python would write it, whoever wrote the values.
///
/// # Errors
/// [`BadValue`](ErrorKind::BadValue) if a value is foreign or beyond Python's limits.
pub fn write(state: &Items) -> Result<String> {
    let mut writer = JsonWriter::with_capacity(64);
    writer.dict();
    for (name, value) in state.iter() {
        if as_pickled(name).is_some() {
            return Err(Error::new(
                ErrorKind::BadValue,
                "writing a session for Django: the name of an item from its cache is no string, and JSON has no other names",
            ));
        }
        writer.key(&as_text(name));
        scan_value(value, &mut writer)?;
    }
    writer.dict_end();
    Ok(String::from_utf8(writer.into_bytes()).expect("Python writes ASCII"))
}

/// Tells `sink` what a value holds.
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
            "writing a session for Django: a value is not JSON, nested too deeply, or a number of too many digits",
        )
        .with_source(source)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_handler_set_is_spelled_as_python_spells_it() {
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
            let mut state = Items::new();
            let value = Value::from_json(Bytes::copy_from_slice(text.as_bytes()));
            state.set("x".into(), value);
            assert_eq!(write(&state).unwrap(), format!("{{\"x\":{python}}}"));
        }
    }

    #[test]
    fn what_python_wrote_comes_back_byte_for_byte() {
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
            let state = read(text.as_bytes()).unwrap();
            assert_eq!(write(&state).unwrap(), text);
        }
    }

    #[test]
    fn bytes_are_latin_1_so_raw_utf_8_is_what_django_sees() {
        let state = read("{\"é\":\"é\"}".as_bytes()).unwrap();

        assert_eq!(state.get("Ã©").unwrap().get::<String>().unwrap(), "Ã©");
        assert_eq!(write(&state).unwrap(), r#"{"\u00c3\u00a9":"\u00c3\u00a9"}"#);
    }

    #[test]
    fn a_name_that_is_no_rust_string_has_one_that_stands_for_it() {
        let state = read(br#"{"a\ud800":1}"#).unwrap();

        let (name, value) = state.iter().next().unwrap();
        assert_eq!(name, "\u{fdd0}a\\ud800");
        assert_eq!(value.get::<u8>().unwrap(), 1);
        let mut state = Items::new();
        state.set("\u{fdd0}a".into(), Value::of(&1).unwrap());
        assert_eq!(write(&state).unwrap(), r#"{"\ufdd0a":1}"#);
    }

    #[test]
    fn whatever_is_no_object_is_empty() {
        for text in ["[]", "null", " [1, {\"a\": 2}] ", "\"text\"", "NaN", "1.5"] {
            assert!(read(text.as_bytes()).unwrap().is_empty(), "{text}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
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
    fn a_value_that_only_its_own_format_can_write_is_refused() {
        let mut state = Items::new();
        state.set("d".into(), Value::foreign(Bytes::from_static(b"N.")));

        assert_eq!(write(&state).unwrap_err().kind(), ErrorKind::BadValue);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<Vec<u8>>()) {
            let _ = read(&text);
        }

        #[test]
        fn nothing_that_looks_like_json_panics_and_what_is_read_is_written_the_same_for_ever(
            text in r#"\{("(a|\\u[0-9a-f]{4}|\\n|é){0,3}":(-?[0-9]{1,3}(\.[0-9]{1,3})?(e[0-9]{1,3})?|"b\\"|\[\[\{\}, true\]\]|NaN), ?){0,3}"x":null\}"#,
        ) {
            if let Ok(state) = read(text.as_bytes()) {
                let written = write(&state).unwrap();
                prop_assert_eq!(write(&read(written.as_bytes()).unwrap()).unwrap(), written);
            }
        }

        #[test]
        fn what_was_set_is_read(items in proptest::collection::btree_map(".{0,8}", (any::<f64>(), ".{0,8}", any::<i64>()), 0..5)) {
            let mut state = Items::new();
            for (name, value) in &items {
                state.set(name.clone().into(), Value::of(value).unwrap());
            }
            let text = write(&state).unwrap();
            prop_assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            let state = read(text.as_bytes()).unwrap();
            prop_assert_eq!(state.len(), items.len());
            for (name, value) in &items {
                let read: (f64, String, i64) = state.get(name).unwrap().get().unwrap();
                prop_assert_eq!(&read, value);
            }
        }
    }
}
