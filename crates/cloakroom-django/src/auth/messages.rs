//! One-time messages such as "The book was saved.", stored in the session like those of
//! `django.contrib.messages`.
//!
//! By default, Django stores messages in a separate cookie, and stores a message in the session
//! only if the cookie is full. This module reads only the session. Set
//! `MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"` in Django, so that
//! this module finds every message that Django adds. Even without this setting, Django shows the
//! messages that this module adds.
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

/// Adds a message for the next page that [takes](take) the messages.
///
/// Ignores a message without text, and a message below [`Level::INFO`], which is Django's default
/// `MESSAGE_LEVEL`. If parallel requests add messages, all of them are kept.
///
/// # Errors
/// Those of [`Session::update`].
///
/// # Examples
/// ```
/// use cloakroom_django::auth::messages::{self, Level, Message};
/// # use cloakroom::Sessions;
/// # use cloakroom::store::MemoryStore;
///
/// # let session = Sessions::new(MemoryStore::new()).new_session();
/// messages::add(&session, Message::new(Level::INFO, "Hello"))?;
/// let stored: Option<String> = session.get("_messages")?;
/// assert_eq!(stored.as_deref(), Some(r#"[["__json_message", 0, 20, "Hello", ""]]"#));
/// # Ok::<(), cloakroom::Error>(())
/// ```
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

/// Removes all messages from the session and returns them, oldest first.
///
/// When the session is saved, the item with all messages is removed, as in Django. A message that a
/// parallel request adds before this save may therefore be lost.
///
/// # Errors
/// Those of [`Session::discard`].
///
/// # Examples
/// ```
/// use cloakroom_django::auth::messages;
/// # use cloakroom::Sessions;
/// # use cloakroom::store::MemoryStore;
///
/// # let session = Sessions::new(MemoryStore::new()).new_session();
/// session.set("_messages", r#"[["__json_message", 0, 40, "Not saved.", ""]]"#)?;
/// assert_eq!(messages::take(&session)?[0].text, "Not saved.");
/// assert!(messages::take(&session)?.is_empty());
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub fn take(session: &Session) -> Result<Vec<Message>> {
    let messages = read(session, ITEM).as_ref().map(decode);
    session.discard(ITEM)?;
    Ok(messages.unwrap_or_default())
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The importance of the message.
    pub level: Level,
    /// The text of the message.
    pub text: String,
    /// Whether the text is trusted HTML. Escape any other text when you show it.
    pub safe: bool,
    /// The CSS classes of the message in addition to [`Level::tag`]. For a message without
    /// additional classes, Django stores an empty text. `None` stores the message without this
    /// field.
    pub extra_tags: Option<String>,
}

impl Message {
    /// Creates a message of plain text.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::messages::{Level, Message};
    ///
    /// let message = Message::new(Level::WARNING, "The copy is due tomorrow.");
    /// assert!(!message.safe);
    /// ```
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            safe: false,
            extra_tags: Some(String::new()),
        }
    }
}

/// The importance of a message. A site may define more levels between the constants of this type.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Level(pub i64);

impl Level {
    /// For developers. [`add`] ignores messages of this level.
    pub const DEBUG: Self = Self(10);
    /// Information for the visitor.
    pub const INFO: Self = Self(20);
    /// The action succeeded.
    pub const SUCCESS: Self = Self(25);
    /// The action succeeded, but something needs attention.
    pub const WARNING: Self = Self(30);
    /// The action failed.
    pub const ERROR: Self = Self(40);

    /// Returns the CSS class of the level, or an empty text for a level that Django does not
    /// define.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::messages::Level;
    ///
    /// assert_eq!(Level::ERROR.tag(), "error");
    /// assert_eq!(Level(35).tag(), "");
    /// ```
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

/// Returns the text that Django stores in the session.
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

/// Returns the messages in a stored item. Skips messages that cannot be read, because a damaged
/// message is not worth an error page.
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

/// Writes JSON as Python's `json.dumps` writes lists: a space after each comma, and only ASCII.
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

/// The first element of the list that encodes a message.
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
            concat!(
                r#"[["__json_message", 0, 20, "\"\\/\n\r\t\b\f\u0000\u001f ~\u007f"#,
                r#"\u00e9\ud83d\ude00"]]"#,
            ),
        );
    }

    #[test]
    fn unreadable_messages_are_skipped() {
        for stored in [
            Value::Null,
            Value::from(7),
            Value::from("not JSON"),
            Value::from("{}"),
            Value::from(
                r#"[7, [], ["__json_message", 0, 20], ["other", 0, 20, "x"],
                    ["__json_message", 0, "x", "x"]]"#,
            ),
        ] {
            assert_eq!(decode(&stored), [], "{stored}");
        }
    }
}
