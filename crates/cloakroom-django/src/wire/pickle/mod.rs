//! The dictionary of the engines `cache` and `cached_db`: a Python pickle.
//!
//! Protocols 0 to 5 are read (PEP 307, PEP 3154, PEP 574). Protocol 4 is written, because every
//! Python version that runs Django 5.2 reads it.
//!
//! A pickle is a program that builds an object and may call any function. Nothing is called here:
//! the program is read as data. An item that has a JSON form becomes an ordinary value. Any other
//! item (a tuple, bytes, a date, a dictionary with numbers as keys, an instance of a class) becomes
//! a [foreign](Value::foreign) value: the instructions that build it are kept and written back, so
//! the item survives edits of other items. An object that two items share becomes two objects.
//!
//! # What is refused
//!
//! Reading a pickle that cannot be kept in this way is an [`Unsupported`](ErrorKind::Unsupported)
//! error. The session does not count as empty, so the pickle is never overwritten. These pickles
//! are refused:
//!
//! * malformed pickles;
//! * pickles in which an object contains itself;
//! * pickles that use persistent ids, extension codes or out-of-band buffers;
//! * pickles of anything but a dictionary;
//! * pickles that exceed [`MAX_BYTES`], [`MAX_NODES`], [`MAX_DEPTH`] or [`MAX_EXPANDED`];
//! * pickles that name a module or function used in attacks, for instance `os` or `eval`.
//!
//! The list of such names is incomplete, and it protects only programs that read the cache later.
//! Anyone who can write to a cache can run code in every Django that reads the cache.

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

/// The largest pickle that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// The largest number of objects in a pickle.
pub const MAX_NODES: usize = 1 << 20;

/// The largest size in bytes of a pickle once its shared objects are written out at every use.
pub const MAX_EXPANDED: usize = 8 << 20;

/// Parses a pickled dictionary into items.
///
/// An item whose key is not a string gets a substitute name: U+FDD0, `pickle:` and the key's pickle
/// in base64url.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) if the pickle cannot be kept losslessly, see the
/// [module](self).
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use cloakroom_django::wire::pickle;
///
/// // {'a': 1, 't': (1, 2)}
/// let data = Bytes::from_static(b"\x80\x04}(\x8c\x01aK\x01\x8c\x01tK\x01K\x02\x86u.");
/// let items = pickle::read(&data)?;
///
/// assert_eq!(items.get("a").unwrap().get::<u8>()?, 1);
/// assert!(items.get("t").unwrap().as_foreign().is_some());
/// assert_eq!(pickle::write(&items)?, data);
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub fn read(data: &Bytes) -> Result<Items> {
    parse_items(data).map_err(Refused::into_error)
}

/// Writes items, including foreign values, as a pickled dictionary.
///
/// # Errors
/// [`BadValue`](ErrorKind::BadValue) if a value is neither JSON nor a foreign value that [`read`]
/// returned.
///
/// # Examples
/// ```
/// use cloakroom::session::{Items, Value};
/// use cloakroom_django::wire::pickle;
///
/// let mut items = Items::new();
/// items.set("a".into(), Value::of(&1)?);
/// assert_eq!(pickle::write(&items)?, &b"\x80\x04}(\x8c\x01aK\x01u."[..]);
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub fn write(items: &Items) -> Result<Bytes> {
    let mut writer = Writer::new();
    writer.dict(items.len());
    for (name, value) in items.iter() {
        match as_pickled(name) {
            Some(key) => writer.foreign(&key.into())?,
            None => writer.string(&as_text(name)),
        }
        match value.as_foreign() {
            Some(data) => writer.foreign(data)?,
            None => json::scan_value(value, &mut writer)?,
        }
    }
    writer.dict_end(items.len());
    Ok(writer.finish())
}

fn parse_items(data: &Bytes) -> Result<Items, Refused> {
    let (tree, top) = parse(data)?;
    tree.check(top)?;
    let Node::Dict(members) = &tree[top] else {
        return Err(Refused("it is not a dictionary"));
    };
    let mut budget = Budget(MAX_EXPANDED);
    let mut text = JsonWriter::with_capacity(data.len());
    let mut found = Vec::with_capacity(members.len());
    for &(key, value) in members {
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
    let mut items = Items::new();
    for (name, value) in found {
        let value = match value {
            FoundValue::Json(range) => Value::from_json(text.slice(range)),
            FoundValue::Foreign(data) => Value::foreign(data),
        };
        items.set(name, value);
    }
    Ok(items)
}

/// Returns the name of the item with this key.
fn name_of(tree: &Tree, key: u32, budget: &mut Budget) -> Result<Name, Refused> {
    match &tree[key] {
        Node::Text(text) if !tree::has_split_pair(text) => {
            budget.spend(text.len())?;
            Ok(name(text))
        }
        Node::List(_) | Node::Dict(_) | Node::Set(_) | Node::ByteArray(_) => Err(Refused(
            "it has a list, dictionary, set or bytearray as a key",
        )),
        _ => Ok(pickled(&pickle(tree, key, budget)?)),
    }
}

/// A value of the dictionary.
enum FoundValue {
    /// The range of its JSON text.
    Json(std::ops::Range<usize>),
    /// A pickle of a value without a JSON form.
    Foreign(Bytes),
}

/// The number of bytes that may still be written, see [`MAX_EXPANDED`].
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

/// The reason why a pickle is refused, for the text of the error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Refused(&'static str);

impl Refused {
    fn into_error(self) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "reading a session from Django's cache: {}; the entry is left unchanged",
                self.0
            ),
        )
    }
}

#[cfg(test)]
mod tests;
