use std::fmt::Write as _;

use super::Key;

/// A meta command.
pub(crate) enum Command<'a> {
    /// `mg`: returns the value, its flags and its CAS number (the number for compare-and-swap).
    Get(&'a Key),
    /// `ms` in the mode `add`: stores the new item if the key has no item.
    Add(&'a Key, NewItem<'a>),
    /// `ms` with a CAS number: replaces the stored item if it still has that number.
    Swap(&'a Key, NewItem<'a>, u64),
    /// `md`: deletes the item.
    Delete(&'a Key),
    /// `mn`: does nothing, but gets an answer.
    Ping,
}

/// An item to be written.
#[derive(Clone, Copy)]
pub(crate) struct NewItem<'a> {
    pub(crate) value: &'a [u8],
    /// When the server removes the item, in memcached's encoding; see the module `exptime`.
    pub(crate) exptime: i64,
    /// A number by which clients distinguish kinds of values.
    pub(crate) flags: u32,
}

impl Command<'_> {
    pub(crate) fn key(&self) -> Option<&Key> {
        match self {
            Self::Get(key) | Self::Add(key, _) | Self::Swap(key, ..) | Self::Delete(key) => {
                Some(key)
            }
            Self::Ping => None,
        }
    }

    /// Encodes the command with the number `opaque`, which the server repeats in its answer.
    pub(crate) fn bytes(&self, opaque: u64) -> Vec<u8> {
        match self {
            Self::Get(key) => format!("mg {key} v c f k O{opaque}\r\n").into_bytes(),
            Self::Add(key, new_item) => new_item.bytes(key, opaque, format_args!(" ME")),
            Self::Swap(key, new_item, cas) => new_item.bytes(key, opaque, format_args!(" C{cas}")),
            Self::Delete(key) => format!("md {key} O{opaque}\r\n").into_bytes(),
            Self::Ping => b"mn\r\n".to_vec(),
        }
    }
}

impl NewItem<'_> {
    fn bytes(&self, key: &Key, opaque: u64, condition: std::fmt::Arguments<'_>) -> Vec<u8> {
        let mut line = String::with_capacity(MAX_COMMAND + self.value.len());
        let Self {
            value,
            exptime,
            flags,
        } = self;
        let size = value.len();
        write!(
            line,
            "ms {key} {size} T{exptime} F{flags} c O{opaque}{condition}\r\n"
        )
        .expect("writing to a string never fails");
        let mut bytes = line.into_bytes();
        bytes.extend_from_slice(self.value);
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// Room for the first line of any command, in bytes. The line contains a key of up to 250 bytes and
/// up to five numbers.
const MAX_COMMAND: usize = 384;
