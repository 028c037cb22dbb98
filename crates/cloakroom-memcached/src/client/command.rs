use std::fmt::Write as _;

use super::Key;

/// A command.
///
/// Most are meta commands. The writes are classic commands, because a meta command that finds no
/// room for the new item removes the item that it was to replace. A classic `add` or `cas` leaves
/// that item as it is.
pub(crate) enum Command<'a> {
    /// `mg`: returns the value, its flags and its CAS number (the number for compare-and-swap).
    Get(&'a Key),
    /// `add`: stores the new item if the key has no item.
    Add(&'a Key, NewItem<'a>),
    /// `cas`: replaces the stored item if it still has this CAS number.
    Replace(&'a Key, NewItem<'a>, u64),
    /// `md` in the mode `invalidate`: changes the expiry of the item if it still has this CAS
    /// number, and gives it another CAS number. The item becomes stale, which only `mg` reports.
    Expire(&'a Key, i64, u64),
    /// `md`: deletes the item; with a CAS number, only if the item still has that number.
    Delete(&'a Key, Option<u64>),
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
            Self::Get(key)
            | Self::Add(key, _)
            | Self::Replace(key, ..)
            | Self::Expire(key, ..)
            | Self::Delete(key, _) => Some(key),
            Self::Ping => None,
        }
    }

    /// Encodes the command with the number `opaque`, which the server repeats in its answer.
    ///
    /// A classic command has no such number, so an `mg` with the number follows it.
    pub(crate) fn bytes(&self, opaque: u64) -> Vec<u8> {
        match self {
            Self::Get(key) => format!("mg {key} v c f k O{opaque}\r\n").into_bytes(),
            Self::Add(key, new_item) => new_item.bytes("add", key, None, opaque),
            Self::Replace(key, new_item, cas) => new_item.bytes("cas", key, Some(*cas), opaque),
            Self::Expire(key, exptime, cas) => {
                format!("md {key} I T{exptime} C{cas} O{opaque}\r\n").into_bytes()
            }
            Self::Delete(key, None) => format!("md {key} O{opaque}\r\n").into_bytes(),
            Self::Delete(key, Some(cas)) => format!("md {key} C{cas} O{opaque}\r\n").into_bytes(),
            Self::Ping => b"mn\r\n".to_vec(),
        }
    }
}

impl NewItem<'_> {
    fn bytes(&self, verb: &str, key: &Key, cas: Option<u64>, opaque: u64) -> Vec<u8> {
        let mut bytes = String::with_capacity(MAX_COMMAND);
        let Self {
            value,
            exptime,
            flags,
        } = self;
        let size = value.len();
        let written = write!(bytes, "{verb} {key} {flags} {exptime} {size}");
        let written = written.and_then(|()| match cas {
            Some(cas) => write!(bytes, " {cas}\r\n"),
            None => write!(bytes, "\r\n"),
        });
        written.expect("writing to a string never fails");
        let echo = match size {
            ..=MAX_ECHO => "v ",
            _ => "",
        };
        let check = format!("\r\nmg {key} {echo}c f k O{opaque}\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.reserve_exact(size + check.len());
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }
}

/// Room for the first line of a write, in bytes. The line contains a key of up to 250 bytes and up
/// to four numbers.
const MAX_COMMAND: usize = 384;

/// How large a value may be, in bytes, for the server to return it after a write. A value that
/// comes back unchanged has the CAS number beside it, so the next write needs no load. The answer
/// to a larger value would take longer than this saves.
const MAX_ECHO: usize = 4 << 10;
