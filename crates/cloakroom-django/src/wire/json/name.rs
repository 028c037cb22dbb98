//! Names of items that are strings in Python and none in Rust.

use std::borrow::Cow;

use cloakroom::session::Name;
use data_encoding::BASE64URL_NOPAD;

use super::scan::{Charset, Scanner};
use super::writer::escape;

/// The name of the item that Python calls `text`, which is UTF-8 but for halves of surrogate pairs.
pub(in crate::wire) fn name(text: &[u8]) -> Name {
    match std::str::from_utf8(text) {
        Ok(text) if !text.starts_with(STANDS_FOR) => Cow::Owned(text.to_owned()),
        _ => {
            let mut json = Vec::from(STANDS_FOR.to_string());
            escape(text, &mut json);
            Cow::Owned(String::from_utf8(json).expect("Python writes ASCII"))
        }
    }
}

/// What Python calls the item with this name.
pub(in crate::wire) fn as_text(name: &str) -> Cow<'_, [u8]> {
    let stood_for = name.strip_prefix(STANDS_FOR).and_then(|json| {
        let text = Scanner::new(format!("\"{json}\"").as_bytes(), Charset::Utf8).only_string();
        // A handler's own name that happens to begin so stands for itself.
        text.ok().filter(|text| {
            text.starts_with(STANDS_FOR.to_string().as_bytes())
                || std::str::from_utf8(text).is_err()
        })
    });
    match stood_for {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(name.as_bytes()),
    }
}

/// The name of the item whose name in Python is no string but the object that this pickle builds.
pub(in crate::wire) fn pickled(key: &[u8]) -> Name {
    Cow::Owned(format!(
        "{STANDS_FOR}{PICKLE}{}",
        BASE64URL_NOPAD.encode(key)
    ))
}

/// The pickle that a name stands for.
pub(in crate::wire) fn as_pickled(name: &str) -> Option<Vec<u8>> {
    let key = name.strip_prefix(STANDS_FOR)?.strip_prefix(PICKLE)?;
    BASE64URL_NOPAD.decode(key.as_bytes()).ok()
}

const PICKLE: &str = "pickle:";

/// U+FDD0 is for a program's own use and no character, so that no name begins with it by chance.
const STANDS_FOR: char = '\u{fdd0}';
