use std::fmt::Write as _;

use super::Key;

/// What a server is asked, in meta commands.
pub(crate) enum Command<'a> {
    /// `mg`: the value, its CAS number and its flags.
    Get(&'a Key),
    /// `ms` in the mode `add`: stores it if there is nothing.
    Add(&'a Key, NewItem<'a>),
    /// `ms` with a CAS number: stores it if the item still has that number.
    Swap(&'a Key, NewItem<'a>, u64),
    /// `md`: deletes the item.
    Delete(&'a Key),
    /// `mn`: nothing but an answer.
    Ping,
}

/// A value, and until when the server is to keep it.
#[derive(Clone, Copy)]
pub(crate) struct NewItem<'a> {
    pub(crate) value: &'a [u8],
    /// In the numbers of memcached; see the modules `exptime`.
    pub(crate) exptime: i64,
    /// What other clients tell kinds of values by.
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

    /// The bytes of the command; the answer is to repeat `opaque`.
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
        .expect("a string takes all text");
        let mut bytes = line.into_bytes();
        bytes.extend_from_slice(self.value);
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// Longer than the line of any command: a key of 250 bytes and five numbers.
const MAX_COMMAND: usize = 384;
