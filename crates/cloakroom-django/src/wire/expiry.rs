//! What one session asked for with Django's `set_expiry`: the item `_session_expiry`.
//!
//! A number is seconds of inactivity, and `0` means until the browser closes. A text is the instant at which the session
//! ends. Without the item the site's settings hold.

use std::time::{Duration, SystemTime};

use cloakroom::session::{Items, Value};
use cloakroom::store::millis;
use cloakroom::{Error, ErrorKind, Expiry, Result};

use super::date::{iso, parse_iso};

/// The name of the item.
pub const NAME: &str = "_session_expiry";

/// What the item holds.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use cloakroom::Expiry;
/// use cloakroom::session::Items;
/// use cloakroom_django::wire::expiry::{ExpiryItem, put};
///
/// let mut state = Items::new();
/// assert_eq!(ExpiryItem::of(&state)?, ExpiryItem::Nothing);
/// assert_eq!(ExpiryItem::of(&state)?.expiry(), Expiry::Policy);
///
/// put(&mut state, Expiry::Idle(Duration::from_secs(300)))?;
/// assert_eq!(ExpiryItem::of(&state)?, ExpiryItem::Secs(300.0));
/// assert_eq!(ExpiryItem::of(&state)?.expiry(), Expiry::Idle(Duration::from_secs(300)));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExpiryItem {
    /// There is none, or it is `null`.
    Nothing,
    /// An empty text, list or object, which Django takes for "as the settings say", and not for a browser session.
    Empty,
    /// Seconds of inactivity, possibly with a fraction, possibly negative. Python's `True` is one, `False` zero.
    Secs(f64),
    /// An instant.
    At(SystemTime),
}

impl ExpiryItem {
    /// Reads the item.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if it is nothing that Django can work with: it answers such a session with a
    /// server error.
    pub fn of(state: &Items) -> Result<Self> {
        let Some(value) = state.get(NAME) else {
            return Ok(Self::Nothing);
        };
        Ok(match value.get()? {
            serde_json::Value::Null => Self::Nothing,
            serde_json::Value::Bool(yes) => Self::Secs(f64::from(u8::from(yes))),
            serde_json::Value::Number(number) => {
                Self::Secs(number.as_f64().ok_or_else(unreadable)?)
            }
            serde_json::Value::String(text) if text.is_empty() => Self::Empty,
            serde_json::Value::Array(items) if items.is_empty() => Self::Empty,
            serde_json::Value::Object(items) if items.is_empty() => Self::Empty,
            serde_json::Value::String(text) => Self::At(parse_iso(&text).ok_or_else(unreadable)?),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => return Err(unreadable()),
        })
    }

    /// The same in Cloakroom's words. A negative number is a session that has ended.
    pub fn expiry(self) -> Expiry {
        match self {
            Self::Nothing | Self::Empty => Expiry::Policy,
            Self::Secs(0.0) => Expiry::BrowserClose,
            Self::Secs(secs) => {
                Expiry::Idle(Duration::try_from_secs_f64(secs.max(0.0)).unwrap_or(Duration::MAX))
            }
            Self::At(at) => Expiry::At(at),
        }
    }
}

/// Makes the item say `expiry`. An item that says it already is left as it is, so that what Django wrote comes back to it.
///
/// Whole seconds become an integer, others a float, and no time at all `-1`, since `0` means something else.
///
/// # Errors
/// [`BadValue`](ErrorKind::BadValue) if the item is nothing that Django can work with and `expiry` asks for something else.
pub fn put(state: &mut Items, expiry: Expiry) -> Result<()> {
    let stored = ExpiryItem::of(state)?.expiry();
    let same = match (stored, expiry) {
        // The core keeps times in milliseconds, Django in microseconds.
        (Expiry::At(one), Expiry::At(other)) => millis(one) == millis(other),
        (one, other) => one == other,
    };
    if same {
        return Ok(());
    }
    let value = match expiry {
        Expiry::Policy => {
            state.remove(NAME);
            return Ok(());
        }
        Expiry::BrowserClose => Value::of(&0)?,
        Expiry::Idle(Duration::ZERO) => Value::of(&-1)?,
        Expiry::Idle(age) if age.subsec_nanos() == 0 => Value::of(&age.as_secs())?,
        Expiry::Idle(age) => Value::of(&age.as_secs_f64())?,
        Expiry::At(at) => Value::of(&iso(at))?,
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "setting a session's expiry: Django's sessions have no form for this kind; choose another",
            ));
        }
    };
    state.set(NAME.into(), value);
    Ok(())
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::BadValue,
        "reading `_session_expiry` of a Django session: it is neither a number of seconds nor a date with an offset",
    )
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;

    use super::super::json;
    use super::*;

    #[test]
    fn what_django_stored_comes_back_to_it_unless_another_expiry_is_asked_for() {
        for text in [
            "300",
            "300.0",
            "-300",
            "0",
            "0.0",
            "-0.0",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "10.5",
            "1e+300",
            "\"2026-01-02T09:34:05.123456+05:30\"",
            "\"2026-01-03T00:00:00Z\"",
        ] {
            let object = format!("{{\"a\":1,\"_session_expiry\":{text},\"b\":2}}");
            let mut state = json::read(object.as_bytes()).unwrap();
            let expiry = ExpiryItem::of(&state).unwrap().expiry();
            put(&mut state, expiry).unwrap();
            assert_eq!(json::write(&state).unwrap(), object);

            put(&mut state, Expiry::Idle(Duration::from_secs(77))).unwrap();
            assert!(json::write(&state).unwrap().contains(":77,"), "{text}");
        }
    }

    #[test]
    fn each_expiry_is_read_as_what_was_put() {
        for (expiry, item) in [
            (Expiry::Policy, None),
            (Expiry::BrowserClose, Some("0")),
            (Expiry::Idle(Duration::ZERO), Some("-1")),
            (Expiry::Idle(Duration::from_secs(300)), Some("300")),
            (Expiry::Idle(Duration::from_millis(10_500)), Some("10.5")),
            (
                Expiry::At(UNIX_EPOCH + Duration::from_millis(1_767_323_045_250)),
                Some("\"2026-01-02T03:04:05.250000+00:00\""),
            ),
        ] {
            let mut state = Items::new();
            state.set(NAME.into(), Value::of(&12_345).unwrap());

            put(&mut state, expiry).unwrap();

            let text = state.get(NAME).map(|value| value.as_json().unwrap());
            assert_eq!(text.map(|text| &text[..]), item.map(str::as_bytes));
            assert_eq!(ExpiryItem::of(&state).unwrap().expiry(), expiry);
        }
    }

    #[test]
    fn what_django_fails_on_is_an_error_and_left_alone() {
        for text in [
            "\"tomorrow\"",
            "\"2026-01-02T03:04:05\"",
            "[1]",
            "{\"a\":1}",
            "NaN",
        ] {
            let mut state = Items::new();
            let value = Value::from_json(Bytes::copy_from_slice(text.as_bytes()));
            state.set(NAME.into(), value);
            assert_eq!(
                ExpiryItem::of(&state).unwrap_err().kind(),
                ErrorKind::BadValue
            );
            assert!(put(&mut state, Expiry::BrowserClose).is_err());
        }
    }
}
