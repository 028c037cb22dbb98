use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Owned, Store, Version, micros};
use cloakroom::{Lookup, Owner, Result};

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
pub struct OnlyText<S> {
    store: S,
    facts: Arc<Mutex<Facts>>,
}

impl<S: Store> OnlyText<S> {
    /// Stands before `store`.
    pub fn new(store: S) -> Self {
        Self {
            store,
            facts: Arc::default(),
        }
    }

    /// Stands before two stores that were opened on one place.
    pub fn pair<T: Store>(one: S, other: T) -> (Self, OnlyText<T>) {
        let one = Self::new(one);
        let other = OnlyText {
            store: other,
            facts: Arc::clone(&one.facts),
        };
        (one, other)
    }

    /// What the store is given of `new`, whose other facts are remembered.
    ///
    /// Before it is written: who loads it may be faster than the answer.
    fn text(&self, new: &Draft) -> Draft {
        let data = in_hex(&new.data);
        self.facts().remember(&data, new.meta.clone());
        let mut text = new.clone();
        text.data = data;
        text.meta.owner = None;
        text.meta.label = None;
        text
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Store for OnlyText<S> {
    fn guarantees(&self) -> Guarantees {
        let guarantees = self.store.guarantees();
        Guarantees {
            max_size: guarantees.max_size.map(|max_size| max_size / 2),
            ..guarantees
        }
    }

    async fn load(&self, at: &Lookup) -> Result<Option<Entry>> {
        let Some(mut entry) = self.store.load(&key(at)).await? else {
            return Ok(None);
        };
        let written = self.facts().of(&entry.data, entry.meta.expires);
        entry.meta = written.unwrap_or(entry.meta);
        entry.data = from_hex(&entry.data);
        Ok(Some(entry))
    }

    async fn create(&self, at: &Lookup, new: &Draft) -> Result<Outcome> {
        self.store.create(&key(at), &self.text(new)).await
    }

    async fn save(&self, at: &Lookup, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.store.save(&key(at), seen, &self.text(new)).await
    }

    async fn delete(&self, at: &Lookup) -> Result<()> {
        self.store.delete(&key(at)).await
    }

    async fn rename(
        &self,
        from: &Lookup,
        seen: &Version,
        to: &Lookup,
        new: &Draft,
    ) -> Result<Outcome> {
        let (from, to) = (key(from), key(to));
        self.store.rename(&from, seen, &to, &self.text(new)).await
    }

    async fn touch(&self, at: &Lookup, seen: &Version, meta: &Meta) -> Result<Outcome> {
        // The data is what was seen, if that is the version; else it is what is there now, and whether that is what was
        // seen is for the store to say.
        let data = match seen.as_bytes() {
            Some(data) => Some(data.clone()),
            None => self.store.load(&key(at)).await?.map(|entry| entry.data),
        };
        if let Some(data) = data {
            self.facts().remember_touch(&data, meta);
        }
        self.store.touch(&key(at), seen, meta).await
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        self.store.sweep(now + MICRO, limit).await
    }

    async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>> {
        self.store.owned_by(owner).await
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<Lookup>> {
        self.store.find(prefix).await
    }

    async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }
}

/// The facts of what was written, by what the store keeps of it.
#[derive(Default)]
struct Facts {
    by_data: HashMap<Bytes, Meta>,
    by_data_and_expiry: HashMap<(Bytes, i64), Meta>,
}

impl Facts {
    fn remember(&mut self, data: &Bytes, meta: Meta) {
        let expires = micros(meta.expires);
        self.by_data.insert(data.clone(), meta.clone());
        self.by_data_and_expiry
            .insert((data.clone(), expires), meta);
    }

    fn remember_touch(&mut self, data: &Bytes, touch: &Meta) {
        if let Some(meta) = self.by_data.get(data) {
            let mut touched = meta.clone();
            touched.touched = touch.touched;
            touched.expires = touch.expires;
            self.by_data_and_expiry
                .insert((data.clone(), micros(touch.expires)), touched);
        }
    }

    fn of(&self, data: &Bytes, expires: SystemTime) -> Option<Meta> {
        let found = self
            .by_data_and_expiry
            .get(&(data.clone(), micros(expires)));
        found.cloned()
    }
}

/// A key as Django has them: 32 letters and digits. Two lookups never come out alike, as far as 128 bits tell.
pub(super) fn key(at: &Lookup) -> Lookup {
    let half = |nth: u8| {
        let mut hasher = DefaultHasher::new();
        (nth, at.as_bytes()).hash(&mut hasher);
        hasher.finish()
    };
    let key = format!("{:016x}{:016x}", half(0), half(1));
    Lookup::new(key.as_bytes())
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
