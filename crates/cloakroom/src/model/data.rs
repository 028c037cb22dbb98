use std::fmt;

use bytes::Bytes;
use indexmap::IndexMap;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::{Error, ErrorKind, Result};
use super::expiry::Expiry;
use super::item::Name;
use super::json::{self, Refused};

/// The data of a session, which a [`Format`](crate::format::Format) encodes. The session's times,
/// its owner and its label (the name that lists show) are in [`Meta`](crate::store::Meta).
#[derive(Clone, Debug, Default)]
pub struct SessionData {
    /// The items.
    pub items: Items,
    /// The expiry requested with [`set_expiry`](crate::Session::set_expiry).
    pub expiry: Expiry,
}

/// The items of a session, in the order in which they were first set.
///
/// # Examples
/// ```
/// use cloakroom::session::{Items, Value};
///
/// let mut items = Items::new();
/// items.set("theme".into(), Value::of("dark")?);
/// items.set("visits".into(), Value::of(&3)?);
///
/// let names: Vec<&str> = items.iter().map(|(name, _)| &**name).collect();
/// assert_eq!(names, ["theme", "visits"]);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Items(IndexMap<Name, Value>);

impl Items {
    /// Creates an empty collection.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Items;
    ///
    /// assert_eq!(Items::new().len(), 0);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of the item with this name, or `None` if it is not set.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::{Items, Value};
    ///
    /// let mut items = Items::new();
    /// items.set("visits".into(), Value::of(&3)?);
    ///
    /// assert_eq!(items.get("visits").unwrap().get::<u32>()?, 3);
    /// assert!(items.get("theme").is_none());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns whether there is an item with this name.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::{Items, Value};
    ///
    /// let mut items = Items::new();
    /// items.set("visits".into(), Value::of(&3)?);
    /// assert!(items.contains("visits") && !items.contains("theme"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Sets the item with this name. An item that already exists keeps its position.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::{Items, Value};
    ///
    /// let mut items = Items::new();
    /// items.set("visits".into(), Value::of(&3)?);
    /// items.set("theme".into(), Value::of("dark")?);
    /// items.set("visits".into(), Value::of(&4)?);
    ///
    /// let (name, value) = items.iter().next().unwrap();
    /// assert_eq!((&**name, value.get::<u32>()?), ("visits", 4));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set(&mut self, name: Name, value: Value) {
        self.0.insert(name, value);
    }

    /// Removes the item with this name and returns its value. The other items keep their order.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::{Items, Value};
    ///
    /// let mut items = Items::new();
    /// items.set("visits".into(), Value::of(&3)?);
    ///
    /// assert_eq!(items.remove("visits"), Some(Value::of(&3)?));
    /// assert_eq!(items.remove("visits"), None);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name)
    }

    /// Removes all items.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::{Items, Value};
    ///
    /// let mut items = Items::new();
    /// items.set("visits".into(), Value::of(&3)?);
    /// items.clear();
    /// assert!(items.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the number of items.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::{Items, Value};
    ///
    /// let mut items = Items::new();
    /// items.set("visits".into(), Value::of(&3)?);
    /// assert_eq!(items.len(), 1);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no items.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Items;
    ///
    /// assert!(Items::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the names and values, in the order in which the items were first set.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::{Items, Value};
    ///
    /// let mut items = Items::new();
    /// items.set("b".into(), Value::of(&1)?);
    /// items.set("a".into(), Value::of(&2)?);
    ///
    /// let names: Vec<&str> = items.iter().map(|(name, _)| &**name).collect();
    /// assert_eq!(names, ["b", "a"]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Value)> {
        self.0.iter()
    }
}

/// The value of one item, kept as JSON text.
///
/// The text is deserialized only when [`get`](Self::get) is called. A value that no request changes
/// is written back byte for byte.
///
/// # Examples
/// ```
/// use cloakroom::session::Value;
///
/// let value = Value::of(&["Emma", "Persuasion"])?;
/// assert_eq!(value.get::<Vec<String>>()?, ["Emma", "Persuasion"]);
/// assert!(value.get::<u64>().is_err());
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Value(Repr);

#[derive(Clone, Eq, PartialEq)]
enum Repr {
    Json(Bytes),
    Foreign(Bytes),
}

impl Value {
    /// Serializes `value` as JSON that [`get`](Self::get) reads back as the same value.
    ///
    /// This holds for every type whose implementations of `Serialize` and `Deserialize` match, as
    /// derived implementations do. If an implementation leaves out a part of the value, for example
    /// with `#[serde(skip)]`, that part is lost without an error.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `value` has no JSON form, for example a map with tuples
    /// as keys, or if its JSON could not be read back, or would be read back as another value. The
    /// following are refused at any depth:
    ///
    /// * a float that is infinite or not a number,
    /// * a `Some` whose content is written as `null`, such as `Some(None)` or `Some(())`,
    /// * an integer that fits neither `i64` nor `u64`, since few types could read it back,
    /// * arrays and objects nested more than [`NESTING`](crate::limits::NESTING) levels deep.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Value;
    ///
    /// assert_eq!(Value::of(&[1, 2])?.as_json()?, "[1,2]");
    /// assert!(Value::of(&[1.0, f64::NAN]).is_err());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        match json::write(value) {
            Ok(text) => Ok(Self::from_json(text.into())),
            Err(Refused { why, source }) => Err(Error::new(
                ErrorKind::BadValue,
                format!("writing a `{}` as JSON: {why}", std::any::type_name::<T>()),
            )
            .with_source(source)),
        }
    }

    /// Returns whether the value is JSON `null`. Reading an item treats `null` as no value.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.0, Repr::Json(text) if text.trim_ascii() == b"null")
    }

    /// Checks that the value can be written into a session. A text that is not JSON would make the
    /// whole stored session unreadable.
    pub(crate) fn check(&self) -> Result<()> {
        let Repr::Json(text) = &self.0 else {
            return Ok(());
        };
        match serde_json::from_slice::<IgnoredAny>(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(
                ErrorKind::BadValue,
                format!(
                    "setting a value that is given as JSON: its text is not JSON ({:?} error at \
                     column {})",
                    error.classify(),
                    error.column(),
                ),
            )),
        }
    }

    /// Creates a value from JSON text.
    ///
    /// The caller must have checked that the text is valid JSON. An invalid text makes the whole
    /// stored session unreadable.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Value;
    ///
    /// let value = Value::from_json("[1, 2]".into());
    /// assert_eq!(value.get::<Vec<u32>>()?, [1, 2]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn from_json(text: Bytes) -> Self {
        Self(Repr::Json(text))
    }

    /// Creates a foreign value: one that another program stored and that JSON cannot represent.
    ///
    /// `data` is in the encoding of the format that read the value. Only that format can write the
    /// value back. [`get`](Self::get) and every other format return an error for a foreign value.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Value;
    ///
    /// let pickled = Value::foreign("cdatetime\ndate\n".into());
    /// assert!(pickled.get::<String>().is_err());
    /// ```
    pub fn foreign(data: Bytes) -> Self {
        Self(Repr::Foreign(data))
    }

    /// Returns the JSON text, byte for byte as it was stored.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the value is [foreign](Self::foreign).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Value;
    ///
    /// let value = Value::from_json("1.50".into());
    /// assert_eq!(value.as_json()?, "1.50");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn as_json(&self) -> Result<&Bytes> {
        match &self.0 {
            Repr::Json(text) => Ok(text),
            Repr::Foreign(_) => Err(Error::new(
                ErrorKind::BadValue,
                "writing a stored value as JSON: \
                 another program stored it, and JSON cannot represent it",
            )),
        }
    }

    /// Returns the bytes of a [foreign](Self::foreign) value, or `None` if the value is JSON.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Value;
    ///
    /// assert_eq!(Value::foreign("N.".into()).as_foreign().unwrap(), "N.");
    /// assert_eq!(Value::of("text")?.as_foreign(), None);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn as_foreign(&self) -> Option<&Bytes> {
        match &self.0 {
            Repr::Json(_) => None,
            Repr::Foreign(data) => Some(data),
        }
    }

    /// Deserializes the value as a `T`.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if the value does not deserialize as a `T`, or is
    /// [foreign](Self::foreign).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::session::Value;
    ///
    /// let value = Value::of(&7)?;
    /// assert_eq!(value.get::<u8>()?, 7);
    /// assert!(value.get::<String>().is_err());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn get<T: DeserializeOwned>(&self) -> Result<T> {
        let Repr::Json(text) = &self.0 else {
            return Err(Error::new(
                ErrorKind::BadValue,
                format!(
                    "reading a stored value as `{}`: \
                     another program stored it, and JSON cannot represent it",
                    std::any::type_name::<T>(),
                ),
            ));
        };
        serde_json::from_slice(text).map_err(|source| {
            // The message of serde_json may quote the value, which must not appear in an error.
            // The category and the column do not reveal it.
            Error::new(
                ErrorKind::BadValue,
                format!(
                    "reading a stored value as `{}`: its JSON cannot be read as this type ({:?} \
                     error at column {})",
                    std::any::type_name::<T>(),
                    source.classify(),
                    source.column(),
                ),
            )
        })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Json(text) => write!(f, "Value({} bytes)", text.len()),
            Repr::Foreign(data) => write!(f, "Value(foreign, {} bytes)", data.len()),
        }
    }
}
