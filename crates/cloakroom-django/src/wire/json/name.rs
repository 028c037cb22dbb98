//! The substitute names of items whose names in Python are not valid Rust strings.

use std::borrow::Cow;

use cloakroom::session::Name;
use data_encoding::BASE64URL_NOPAD;

use super::scan::{Charset, Scanner};
use super::writer::escape;

/// Converts a name in Python to the name of an item. Returns a substitute if the name is not a
/// valid Rust string or begins like a substitute. `text` is UTF-8 that may contain halves of
/// surrogate pairs.
pub(in crate::wire) fn name(text: &[u8]) -> Name {
    match std::str::from_utf8(text) {
        Ok(text) if !text.starts_with(SUBSTITUTE) => Cow::Owned(text.to_owned()),
        _ => {
            let mut json = Vec::from(SUBSTITUTE.to_string());
            escape(text, &mut json);
            Cow::Owned(String::from_utf8(json).expect("Python writes ASCII"))
        }
    }
}

/// Converts the name of an item back to its name in Python.
pub(in crate::wire) fn as_text(name: &str) -> Cow<'_, [u8]> {
    let original = name.strip_prefix(SUBSTITUTE).and_then(|json| {
        let text = Scanner::new(format!("\"{json}\"").as_bytes(), Charset::Utf8).only_string();
        // A handler may choose a name that only looks like a substitute. Such a name is kept.
        text.ok().filter(|text| {
            text.starts_with(SUBSTITUTE.to_string().as_bytes())
                || std::str::from_utf8(text).is_err()
        })
    });
    match original {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(name.as_bytes()),
    }
}

/// Returns the substitute for a key in Python that is not a string, for instance a number. `key` is
/// the pickle of this key.
pub(in crate::wire) fn pickled(key: &[u8]) -> Name {
    Cow::Owned(format!(
        "{SUBSTITUTE}{PICKLE}{}",
        BASE64URL_NOPAD.encode(key)
    ))
}

/// Returns the pickle in a name that `pickled` made, or `None` if `pickled` did not make the name.
pub(in crate::wire) fn as_pickled(name: &str) -> Option<Vec<u8>> {
    let key = name.strip_prefix(SUBSTITUTE)?.strip_prefix(PICKLE)?;
    BASE64URL_NOPAD.decode(key.as_bytes()).ok()
}

const PICKLE: &str = "pickle:";

/// U+FDD0 is a noncharacter for internal use, so no name starts with it by chance.
const SUBSTITUTE: char = '\u{fdd0}';
