//! The item `_session_expiry`, in which Django's `set_expiry` stores the expiry of one session.
//!
//! A number is the seconds of inactivity after which the session ends; `0` means that it ends when
//! the browser closes. A text is the instant at which the session ends. If the item is absent, the
//! site's settings apply.

use std::time::{Duration, SystemTime};

use cloakroom::session::{Items, Value};
use cloakroom::store::millis;
use cloakroom::{Error, ErrorKind, Expiry, Result};

use super::date::{iso, parse_iso};

/// The name of the item.
pub const NAME: &str = "_session_expiry";

/// The value of the item `_session_expiry`.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use cloakroom::Expiry;
/// use cloakroom::session::Items;
/// use cloakroom_django::wire::expiry::{ExpiryItem, put};
///
/// let mut items = Items::new();
/// assert_eq!(ExpiryItem::of(&items)?, ExpiryItem::Nothing);
///
/// put(&mut items, Expiry::Idle(Duration::from_secs(300)))?;
/// assert_eq!(ExpiryItem::of(&items)?, ExpiryItem::Secs(300.0));
/// assert_eq!(ExpiryItem::of(&items)?.expiry(), Expiry::Idle(Duration::from_secs(300)));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExpiryItem {
    /// The item is missing or `null`.
    Nothing,
    /// An empty text, list or object. Django treats such a value like a missing item, not as a
    /// session that ends with the browser.
    Empty,
    /// Seconds of inactivity, possibly fractional or negative. Python's `True` is 1, `False` is 0.
    Secs(f64),
    /// The instant at which the session ends.
    At(SystemTime),
}

impl ExpiryItem {
    /// Reads the item.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the item matches none of the variants. Django cannot
    /// use such an item either, and responds with a server error.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::wire::expiry::ExpiryItem;
    /// use cloakroom_django::wire::json;
    ///
    /// let items = json::read(br#"{"_session_expiry":0}"#).unwrap();
    /// assert_eq!(ExpiryItem::of(&items)?, ExpiryItem::Secs(0.0));
    ///
    /// let items = json::read(br#"{"_session_expiry":"tomorrow"}"#).unwrap();
    /// assert!(ExpiryItem::of(&items).is_err());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn of(items: &Items) -> Result<Self> {
        let Some(value) = items.get(NAME) else {
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

    /// Converts the item to an [`Expiry`]. A negative number becomes [`Expiry::Idle`] of zero: the
    /// session has ended.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::Expiry;
    /// use cloakroom_django::wire::expiry::ExpiryItem;
    ///
    /// assert_eq!(ExpiryItem::Secs(10.5).expiry(), Expiry::Idle(Duration::from_millis(10_500)));
    /// assert_eq!(ExpiryItem::Secs(0.0).expiry(), Expiry::BrowserClose);
    /// assert_eq!(ExpiryItem::Nothing.expiry(), Expiry::Policy);
    /// ```
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

/// Sets the item to `expiry`. If the stored item already has this meaning, it is left as Django
/// wrote it.
///
/// A whole number of seconds is written as an integer, and any other number as a float.
/// [`Expiry::Idle`] of zero is written as `-1`, because `0` means that the session ends when the
/// browser closes. [`Expiry::Policy`] removes the item.
///
/// # Errors
/// [`BadValue`](ErrorKind::BadValue) if the stored item cannot be [read](ExpiryItem::of).
/// [`Unsupported`](ErrorKind::Unsupported) if Django has no form for this kind of expiry.
///
/// # Examples
/// ```
/// use cloakroom::Expiry;
/// use cloakroom_django::wire::{expiry, json};
///
/// let mut items = json::read(br#"{"a":1}"#).unwrap();
/// expiry::put(&mut items, Expiry::BrowserClose)?;
/// assert_eq!(json::write(&items)?, r#"{"a":1,"_session_expiry":0}"#);
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub fn put(items: &mut Items, expiry: Expiry) -> Result<()> {
    let stored = ExpiryItem::of(items)?.expiry();
    let same = match (stored, expiry) {
        // Cloakroom stores times in milliseconds, Django in microseconds.
        (Expiry::At(one), Expiry::At(other)) => millis(one) == millis(other),
        (one, other) => one == other,
    };
    if same {
        return Ok(());
    }
    let value = match expiry {
        Expiry::Policy => {
            items.remove(NAME);
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
                "setting a session's expiry: Django's sessions have no form for this kind; \
                 choose another",
            ));
        }
    };
    items.set(NAME.into(), value);
    Ok(())
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::BadValue,
        "reading `_session_expiry` of a Django session: it is neither a number of seconds nor a \
         date with an offset",
    )
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;

    use super::super::json;
    use super::*;

    #[test]
    fn an_item_is_kept_as_django_wrote_it_until_another_expiry_is_put() {
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
            let mut items = json::read(object.as_bytes()).unwrap();
            let expiry = ExpiryItem::of(&items).unwrap().expiry();
            put(&mut items, expiry).unwrap();
            assert_eq!(json::write(&items).unwrap(), object);

            put(&mut items, Expiry::Idle(Duration::from_secs(77))).unwrap();
            assert!(json::write(&items).unwrap().contains(":77,"), "{text}");
        }
    }

    #[test]
    fn each_expiry_is_read_as_it_was_put() {
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
            let mut items = Items::new();
            items.set(NAME.into(), Value::of(&12_345).unwrap());

            put(&mut items, expiry).unwrap();

            let text = items.get(NAME).map(|value| value.as_json().unwrap());
            assert_eq!(text.map(|text| &text[..]), item.map(str::as_bytes));
            assert_eq!(ExpiryItem::of(&items).unwrap().expiry(), expiry);
        }
    }

    #[test]
    fn an_item_that_django_cannot_read_is_an_error_and_is_kept() {
        for text in [
            "\"tomorrow\"",
            "\"2026-01-02T03:04:05\"",
            "[1]",
            "{\"a\":1}",
            "NaN",
        ] {
            let mut items = Items::new();
            let value = Value::from_json(Bytes::copy_from_slice(text.as_bytes()));
            items.set(NAME.into(), value);
            assert_eq!(
                ExpiryItem::of(&items).unwrap_err().kind(),
                ErrorKind::BadValue
            );
            assert!(put(&mut items, Expiry::BrowserClose).is_err());
        }
    }
}
