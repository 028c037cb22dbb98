//! The dictionary that the engines cache and cached_db keep: a Python pickle.
//!
//! Protocols 0 to 5 are read (PEP 307, PEP 3154, PEP 574) and protocol 4 is written, which every Python reads that runs
//! Django 5.2.
//!
//! A pickle is a program that builds an object, and may call anything to do so. Nothing is called here: the program is read as
//! data. An item that has a JSON form becomes an ordinary value. Every other one (a tuple, bytes, a date, a dictionary with
//! numbers for keys, an instance of any class) is [foreign](Value::foreign): what it takes to build it is kept and written
//! again, so that it survives what a handler does to its neighbours. Objects that two items share are two objects then.
//!
//! What cannot be kept in this way is an error of the kind [`Unsupported`](ErrorKind::Unsupported), never an empty session,
//! and so never overwritten: a stream that is broken, an object within itself, persistent ids, extension codes, out-of-band
//! buffers, anything but a dictionary, and what is beyond the bounds [`MAX_BYTES`], [`MAX_NODES`], [`MAX_DEPTH`] and
//! [`MAX_EXPANDED`]. So is a pickle that names one of the modules and functions that attacks are made of, `os` or `eval` for
//! instance. That list is not complete, and protects nobody but whoever reads after us: to let strangers write into a cache
//! is to let them into every Django that reads it.

use bytes::Bytes;
use cloakroom::session::{Items, Name, Value};
use cloakroom::{Error, ErrorKind, Result};

use super::json::name::{as_pickled, as_text, name, pickled};
use super::json::{self, JsonWriter};

mod read;
mod tree;
mod write;
use read::parse;
use tree::{Node, Tree};
use write::{Writer, pickle};

pub use super::json::MAX_DEPTH;

/// The longest pickle that is read.
pub const MAX_BYTES: usize = 8 << 20;

/// The most objects in a pickle.
pub const MAX_NODES: usize = 1 << 20;

/// The most bytes that a pickle may come to when what it shares is written out wherever it is used.
pub const MAX_EXPANDED: usize = 8 << 20;

/// Takes a dictionary apart, item by item.
///
/// A key that is no string gets a name that stands for it: U+FDD0, `pickle:` and the key's pickle in base64url.
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use cloakroom_django::wire::pickle;
///
/// // {'a': 1, 't': (1, 2)}
/// let data = Bytes::from_static(b"\x80\x04}(\x8c\x01aK\x01\x8c\x01tK\x01K\x02\x86u.");
/// let state = pickle::read(&data)?;
///
/// assert_eq!(state.get("a").unwrap().get::<u8>()?, 1);
/// assert!(state.get("t").unwrap().as_foreign().is_some());
/// assert_eq!(pickle::write(&state)?, data);
/// # Ok::<(), cloakroom::Error>(())
/// ```
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for what cannot be taken apart without losing something.
pub fn read(data: &Bytes) -> Result<Items> {
    take_apart(data).map_err(Refused::into_error)
}

/// Puts the dictionary together, foreign values included.
///
/// # Errors
/// [`BadValue`](ErrorKind::BadValue) if a value is neither JSON nor one that [`read`] found.
pub fn write(state: &Items) -> Result<Bytes> {
    let mut writer = Writer::new();
    writer.dict(state.len());
    for (name, value) in state.iter() {
        match as_pickled(name) {
            Some(key) => writer.foreign(&key.into())?,
            None => writer.string(&as_text(name)),
        }
        match value.as_foreign() {
            Some(data) => writer.foreign(data)?,
            None => json::scan_value(value, &mut writer)?,
        }
    }
    writer.dict_end(state.len());
    Ok(writer.finish())
}

fn take_apart(data: &Bytes) -> Result<Items, Refused> {
    let (tree, top) = parse(data)?;
    tree.check(top)?;
    let Node::Dict(items) = &tree[top] else {
        return Err(Refused("it is not a dictionary"));
    };
    let mut budget = Budget(MAX_EXPANDED);
    let mut text = JsonWriter::with_capacity(data.len());
    let mut found = Vec::with_capacity(items.len());
    for &(key, value) in items {
        let name = name_of(&tree, key, &mut budget)?;
        let start = text.len();
        let value = if tree.visit(value, &mut text, &mut budget)? {
            FoundValue::Json(start..text.len())
        } else {
            text.truncate(start);
            FoundValue::Foreign(pickle(&tree, value, &mut budget)?)
        };
        found.push((name, value));
    }

    let text = Bytes::from(text.into_bytes());
    let mut state = Items::new();
    for (name, value) in found {
        let value = match value {
            FoundValue::Json(range) => Value::from_json(text.slice(range)),
            FoundValue::Foreign(data) => Value::foreign(data),
        };
        state.set(name, value);
    }
    Ok(state)
}

fn name_of(tree: &Tree, key: u32, budget: &mut Budget) -> Result<Name, Refused> {
    match &tree[key] {
        Node::Text(text) if !tree::has_split_pair(text) => {
            budget.spend(text.len())?;
            Ok(name(text))
        }
        Node::List(_) | Node::Dict(_) | Node::Set(_) | Node::ByteArray(_) => {
            Err(Refused("a key of it is of a type that cannot be one"))
        }
        _ => Ok(pickled(&pickle(tree, key, budget)?)),
    }
}

/// One value of the dictionary, as it was read.
enum FoundValue {
    /// Where its JSON text stands.
    Json(std::ops::Range<usize>),
    /// A pickle of a value without a JSON form.
    Foreign(Bytes),
}

/// What may still be written out.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, bytes: usize) -> Result<(), Refused> {
        self.0 = self
            .0
            .checked_sub(bytes)
            .ok_or(Refused("it is too large when written out"))?;
        Ok(())
    }
}

/// Why a pickle is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Refused(&'static str);

impl Refused {
    fn into_error(self) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "reading a session from Django's cache: {}; it is left as it is",
                self.0
            ),
        )
    }
}

#[cfg(test)]
mod tests;
