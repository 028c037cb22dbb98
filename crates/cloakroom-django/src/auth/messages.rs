//! Words for the next page that the visitor sees, "the book was saved" for instance: `django.contrib.messages`, in the
//! form in which it keeps them in the session.
//!
//! Django's default storage tries a cookie of its own first and reads the session after it, so it shows what is left
//! here. What it has put into that cookie is not seen from here; tell it
//! `MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"`, and both see everything.
//!
//! # Examples
//! ```
//! use cloakroom::Sessions;
//! use cloakroom::store::MemoryStore;
//! use cloakroom_django::auth::messages::{self, Level, Message};
//!
//! let session = Sessions::new(MemoryStore::new()).new_session();
//! messages::add(&session, Message::new(Level::SUCCESS, "The book was saved."))?;
//!
//! let shown = messages::take(&session)?;
//! assert_eq!(shown[0].text, "The book was saved.");
//! assert_eq!(shown[0].level.tag(), "success");
//! assert!(messages::take(&session)?.is_empty());
//! # Ok::<(), cloakroom::Error>(())
//! ```

use std::io;

use cloakroom::{Item, Result, Session};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use crate::auth::session::read;

/// Leaves a message for the next page that [takes](take) the messages. One without a text is dropped, and so is one below
/// [`Level::INFO`], as by Django's default.
///
/// Messages of requests that run at the same time are all kept.
///
/// # Errors
/// As [`Session::update`].
pub fn add(session: &Session, message: Message) -> Result<()> {
    if message.level < Level::INFO || message.text.is_empty() {
        return Ok(());
    }
    session.update(ITEM, move |stored| {
        let mut messages = decode(stored);
        messages.push(message.clone());
        *stored = Value::String(encode(&messages));
    })?;
    Ok(())
}

/// Takes out all messages, to show them: oldest first.
///
/// The item goes as a whole, as in Django. A message that another request leaves while this one is under way goes
/// with it.
///
/// # Errors
/// As [`Session::discard`].
pub fn take(session: &Session) -> Result<Vec<Message>> {
    let messages = read(session, ITEM).as_ref().map(decode);
    session.discard(ITEM)?;
    Ok(messages.unwrap_or_default())
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: String,
    /// Whether the text is HTML that the site itself has made. Any other text is escaped when it is shown.
    pub safe: bool,
    /// Classes for the style sheet, besides the level's own. Django writes an empty text where nobody gives any.
    pub extra_tags: Option<String>,
}

impl Message {
    /// A message of plain text.
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            safe: false,
            extra_tags: Some(String::new()),
        }
    }
}

/// How much a message matters. Sites may have levels of their own in between.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Level(pub i64);

impl Level {
    /// For developers; dropped.
    pub const DEBUG: Self = Self(10);
    /// For the visitor to know.
    pub const INFO: Self = Self(20);
    /// What was asked for was done.
    pub const SUCCESS: Self = Self(25);
    /// What was asked for was done, with a reservation the visitor should know.
    pub const WARNING: Self = Self(30);
    /// It was not done.
    pub const ERROR: Self = Self(40);

    /// Its class for the style sheet; empty for a level that Django does not know.
    pub fn tag(self) -> &'static str {
        match self {
            Self::DEBUG => "debug",
            Self::INFO => "info",
            Self::SUCCESS => "success",
            Self::WARNING => "warning",
            Self::ERROR => "error",
            _ => "",
        }
    }
}

/// The text that Django keeps in the session.
fn encode(messages: &[Message]) -> String {
    let list: Vec<Value> = messages
        .iter()
        .map(|message| {
            let Level(level) = message.level;
            let mut parts = vec![
                Value::from(MARK),
                Value::from(u8::from(message.safe)),
                Value::from(level),
                Value::from(&*message.text),
            ];
            parts.extend(message.extra_tags.as_deref().map(Value::from));
            Value::Array(parts)
        })
        .collect();
    let mut text = Vec::new();
    list.serialize(&mut Serializer::with_formatter(&mut text, PythonFormatter))
        .expect("texts and numbers have a JSON form");
    String::from_utf8(text).expect("the text is ASCII")
}

/// The messages in what a session holds. What is none is left out: a message is not worth an error page.
fn decode(stored: &Value) -> Vec<Message> {
    let list = stored
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    match list {
        Some(Value::Array(list)) => list.iter().filter_map(message).collect(),
        _ => Vec::new(),
    }
}

fn message(value: &Value) -> Option<Message> {
    let parts = value.as_array()?;
    let [mark, safe, level, text, rest @ ..] = &**parts else {
        return None;
    };
    (mark == MARK).then_some(Message {
        level: Level(level.as_i64()?),
        text: text.as_str()?.to_owned(),
        safe: safe.as_i64() == Some(1),
        extra_tags: rest.first().and_then(Value::as_str).map(str::to_owned),
    })
}

/// JSON as Python's `json.dumps` writes lists: a blank after each comma, and ASCII only.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        match first {
            true => Ok(()),
            false => writer.write_all(b", "),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            match character {
                ' '..='~' => writer.write_all(&[character as u8])?,
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
        }
    }
}

const ITEM: Item<Value> = Item::new("_messages");

/// What makes a list a message.
const MARK: &str = "__json_message";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_python_writes_them() {
        let message = Message {
            extra_tags: None,
            ..Message::new(
                Level::INFO,
                "\"\\/\n\r\t\u{8}\u{c}\0\u{1f} ~\u{7f}é\u{1f600}",
            )
        };
        assert_eq!(
            encode(&[message]),
            r#"[["__json_message", 0, 20, "\"\\/\n\r\t\b\f\u0000\u001f ~\u007f\u00e9\ud83d\ude00"]]"#,
        );
    }

    #[test]
    fn what_is_no_message_is_left_out() {
        for stored in [
            Value::Null,
            Value::from(7),
            Value::from("not JSON"),
            Value::from("{}"),
            Value::from(
                r#"[7, [], ["__json_message", 0, 20], ["other", 0, 20, "x"], ["__json_message", 0, "x", "x"]]"#,
            ),
        ] {
            assert_eq!(decode(&stored), [], "{stored}");
        }
    }
}
