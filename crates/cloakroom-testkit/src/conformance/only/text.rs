use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Version, micros};

use super::only::{Only, Remainder, VersionId, version_id};

/// Adapts a store that keeps only two parts of an entry: the data, as text, and the expiry.
///
/// An example is a store on the session table of a Django site. The suite then tests which entries
/// exist, their data to the last byte, their expiry, and which writes are stale. This wrapper
/// translates:
///
/// * Store keys become 32 letters and digits. Data becomes hexadecimal digits, so `max_size` is
///   half that of the store.
/// * Drafts lose their owner and label. The wrapper remembers the meta of each draft and of each
///   touch, and finds it again by the data and the expiry of the entry. If a store returns an
///   outdated expiry, the wrapper adds outdated meta, and the test fails.
/// * The time of every sweep is moved one microsecond later, because such a store may keep an entry
///   that expires exactly at the time of the sweep.
///
/// The tests about labels and unusual store keys always pass behind this wrapper. Write separate
/// tests for labels, unusual store keys, and drafts with an owner.
///
/// # Examples
/// ```
/// # use cloakroom::store::MemoryStore as Rows;
/// use cloakroom_testkit::conformance::OnlyText;
///
/// cloakroom_testkit::conformance!(rows_of_text, OnlyText::new(Rows::new()));
/// ```
pub type OnlyText<S> = Only<S, TextRemainder>;

/// The meta of each write, keyed by what the store keeps of the entry.
#[derive(Default)]
pub struct TextRemainder {
    by_data: HashMap<Bytes, Meta>,
    by_data_and_expiry: HashMap<(Bytes, i64), Meta>,
    /// The data behind each version, for stores that do not use the data itself as the version.
    data: HashMap<VersionId, Bytes>,
}

impl Remainder for TextRemainder {
    fn max_size(of_store: usize) -> usize {
        of_store / 2
    }

    fn reduce(&mut self, new: &Draft) -> Draft {
        let (data, meta) = (in_hex(&new.data), new.meta.clone());
        self.data.insert(version_id(&new.version()), data.clone());
        self.by_data.insert(data.clone(), meta.clone());
        self.by_data_and_expiry
            .insert((data.clone(), micros(meta.expires)), meta);
        let mut text = new.clone();
        text.data = data;
        text.meta.owner = None;
        text.meta.label = None;
        text
    }

    fn restore(&self, mut entry: Entry) -> Entry {
        let kept = (entry.data, micros(entry.meta.expires));
        if let Some(written) = self.by_data_and_expiry.get(&kept) {
            entry.meta = written.clone();
        }
        entry.data = from_hex(&kept.0);
        entry
    }

    /// Records the new times before the store is called. If the store then answers that the touch
    /// is stale, no entry gets the new expiry, so the recorded times are not used.
    fn before_touch(&mut self, seen: &Version, touch: &Meta) -> Meta {
        let data = seen.as_bytes().or_else(|| self.data.get(&version_id(seen)));
        if let Some(data) = data
            && let Some(meta) = self.by_data.get(data)
        {
            let mut touched = meta.clone();
            touched.touched = touch.touched;
            touched.expires = touch.expires;
            self.by_data_and_expiry
                .insert((data.clone(), micros(touch.expires)), touched);
        }
        touch.clone()
    }

    fn sweep_time(now: SystemTime) -> SystemTime {
        now + MICRO
    }
}

// Uses a loop and not iterators, which take minutes for megabytes in a build without optimisation.
fn in_hex(data: &Bytes) -> Bytes {
    let mut digits = Vec::with_capacity(2 * data.len());
    for byte in data {
        digits.push(HEX[usize::from(byte >> 4)]);
        digits.push(HEX[usize::from(byte & 15)]);
    }
    digits.into()
}

/// Reverses [`in_hex`]. If the text is not hexadecimal, returns it unchanged, and the test fails.
fn from_hex(text: &Bytes) -> Bytes {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.chunks(2) {
        let (Some(high), Some(low)) = (digit(pair.first()), digit(pair.get(1))) else {
            return text.clone();
        };
        bytes.push(high << 4 | low);
    }
    bytes.into()
}

fn digit(digit: Option<&u8>) -> Option<u8> {
    match *digit? {
        number @ b'0'..=b'9' => Some(number - b'0'),
        letter @ b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

const MICRO: Duration = Duration::from_micros(1);
