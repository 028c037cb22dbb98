use std::fmt;

use bytes::Bytes;
use indexmap::IndexMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::expiry::Expiry;
use super::item::Name;
use crate::{Error, ErrorKind, Result};

/// What a format writes and reads: everything about a session that is not in its meta.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The items.
    pub state: State,
    /// What `set_expiry` asked for, remembered.
    pub expiry: Expiry,
}

/// All items of a session, in the order in which they were first set.
#[derive(Clone, Debug, Default)]
pub struct State(IndexMap<Name, Value>);

impl State {
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
pub struct Value(Bytes);

impl Value {
    /// The value that stands for `value`.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if it has no JSON form.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        match serde_json::to_vec(value) {
            Ok(text) => Ok(Self(text.into())),
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
        Self(text)
    }

    /// Its JSON text, byte for byte as it was stored.
    pub fn as_json(&self) -> &Bytes {
        &self.0
    }

    /// Reads it as a `T`.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if it is not one.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.0).map_err(|source| {
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
        write!(f, "Value({} bytes)", self.0.len())
    }
}
