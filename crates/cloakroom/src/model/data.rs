use std::fmt;

use bytes::Bytes;
use indexmap::IndexMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Error, ErrorKind, Result};
use super::expiry::Expiry;
use super::item::Name;

/// What a format writes and reads: everything about a session that is not in its meta.
#[derive(Clone, Debug, Default)]
pub struct SessionData {
    /// The items.
    pub items: Items,
    /// What `set_expiry` asked for, remembered.
    pub expiry: Expiry,
}

/// All items of a session, in the order in which they were first set.
#[derive(Clone, Debug, Default)]
pub struct Items(IndexMap<Name, Value>);

impl Items {
    /// No items.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether there is one with this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Puts a value under this name. A name that is there keeps its place.
    pub fn set(&mut self, name: Name, value: Value) {
        self.0.insert(name, value);
    }

    /// Takes out the value with this name. The others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name)
    }

    /// Takes out everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The items in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Value)> {
        self.0.iter()
    }
}

/// The value of one item: kept as the text that the store holds until somebody asks, and written back untouched.
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
    /// The value that stands for `value`.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if it has no JSON form.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        match serde_json::to_vec(value) {
            Ok(text) => Ok(Self::from_json(text.into())),
            Err(source) => Err(Error::new(
                ErrorKind::BadValue,
                format!(
                    "writing a `{}` as JSON: it has no JSON form",
                    std::any::type_name::<T>()
                ),
            )
            .with_source(source)),
        }
    }

    /// The value with this JSON text, which the caller has checked.
    pub fn from_json(text: Bytes) -> Self {
        Self(Repr::Json(text))
    }

    /// A value that another program stored and that has no JSON form, in the bytes of the format it was read in.
    ///
    /// That format alone can write it again. It cannot be read as anything, and no other format takes it.
    pub fn foreign(data: Bytes) -> Self {
        Self(Repr::Foreign(data))
    }

    /// Its JSON text, byte for byte as it was stored.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if it is [foreign](Self::foreign).
    pub fn as_json(&self) -> Result<&Bytes> {
        match &self.0 {
            Repr::Json(text) => Ok(text),
            Repr::Foreign(_) => Err(Error::new(
                ErrorKind::BadValue,
                "writing a stored value as JSON: it was stored by another program in a form that has no JSON",
            )),
        }
    }

    /// Its bytes if it is [foreign](Self::foreign).
    pub fn as_foreign(&self) -> Option<&Bytes> {
        match &self.0 {
            Repr::Json(_) => None,
            Repr::Foreign(data) => Some(data),
        }
    }

    /// Reads it as a `T`.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if it is not one, which a [foreign](Self::foreign) value never is.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T> {
        let Repr::Json(text) = &self.0 else {
            return Err(Error::new(
                ErrorKind::BadValue,
                format!(
                    "reading a stored value as `{}`: it was stored by another program in a form that has no JSON",
                    std::any::type_name::<T>(),
                ),
            ));
        };
        serde_json::from_slice(text).map_err(|source| {
            // serde_json's own text may quote the value, and values stay out of errors. Its category does not.
            Error::new(
                ErrorKind::BadValue,
                format!(
                    "reading a stored value as `{}`: it is not one ({:?} error at column {})",
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
