use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Version, micros};

use super::only::{Facts, Only, VersionId, version_id};

/// A store that keeps a text and its expiry, and nothing else of an entry, as the suite needs it.
///
/// Such a store has somebody else's table, Django's for instance. It is held to every promise about what it does keep:
/// what is there, its data to the last byte, its expiry, and which writes are stale. Between the two stands this:
///
/// * Lookups become keys of 32 letters and digits, and data becomes text in hexadecimal digits, so `max_size` is half.
/// * Drafts lose owner and label. What the store does not keep of the facts is remembered here, for the one draft or
///   touch that had just these data and this expiry; so an entry with any other expiry than the one that was written last
///   is found out.
/// * Somebody else's sweep may leave what expires at the very instant, so it is asked a microsecond later.
///
/// The promises that are about lookups which are no text, and about labels, hold for anything behind this. Let the store
/// have tests of its own for what it answers to those, and to a draft that has an owner.
///
/// # Examples
/// ```
/// # use cloakroom::store::MemoryStore as Rows;
/// use cloakroom_testkit::conformance::OnlyText;
///
/// cloakroom_testkit::conformance!(rows_of_text, OnlyText::new(Rows::new()));
/// ```
pub type OnlyText<S> = Only<S, TextFacts>;

/// The facts of what was written, by what the store keeps of it.
#[derive(Default)]
pub struct TextFacts {
    by_data: HashMap<Bytes, Meta>,
    by_data_and_expiry: HashMap<(Bytes, i64), Meta>,
    /// Which data has a version, if that is not the data itself.
    data: HashMap<VersionId, Bytes>,
}

impl Facts for TextFacts {
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

    /// Remembered before it is done, since the expiry that is loaded tells whether it was.
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

fn in_hex(data: &Bytes) -> Bytes {
    let digits = data
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]));
    digits.collect()
}

/// What [`in_hex`] was given, as long as the store has changed nothing; what it has changed fails the test as it is.
fn from_hex(text: &Bytes) -> Bytes {
    let digit = |digit: &u8| HEX.iter().position(|known| known == digit);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.chunks(2).map(byte).collect();
    bytes.map_or_else(|| text.clone(), Bytes::from)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

const MICRO: Duration = Duration::from_micros(1);
