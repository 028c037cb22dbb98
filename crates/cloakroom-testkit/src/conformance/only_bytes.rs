use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut, Bytes};
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Owned, Store, Version};
use cloakroom::{Lookup, Owner, Result};

use super::only_text::key;
use super::sample::now;

/// A store that keeps bytes under a text, for as long as they are to live, and nothing else of an entry, as the suite
/// needs it.
///
/// Such a store has somebody else's cache, Django's for instance. It is held to every promise about what it does keep:
/// what is there, its data to the last byte, and which writes are stale. Between the two stands this:
///
/// * Lookups become keys of 32 letters and digits.
/// * Data gets a number in front, eight bytes, by which the facts of the draft are remembered here.
/// * Every draft and every touch has two weeks to live, and the times of a touch are remembered once it is done. What
///   the store says has expired, has.
///
/// The promises that are about times, owners and labels hold for anything behind this. Let the store have tests of its own
/// for how long it keeps what it is given, and for what it answers to odd lookups and to a draft that has an owner.
///
/// # Examples
/// ```
/// # use cloakroom::store::MemoryStore as Cache;
/// use cloakroom_testkit::conformance::OnlyBytes;
///
/// cloakroom_testkit::conformance!(cache, OnlyBytes::new(Cache::new()), swept_by_backend);
/// ```
pub struct OnlyBytes<S> {
    store: S,
    facts: Arc<Mutex<Facts>>,
}

impl<S: Store> OnlyBytes<S> {
    /// Stands before `store`.
    pub fn new(store: S) -> Self {
        Self {
            store,
            facts: Arc::default(),
        }
    }

    /// Stands before two stores that were opened on one place.
    pub fn pair<T: Store>(one: S, other: T) -> (Self, OnlyBytes<T>) {
        let one = Self::new(one);
        let other = OnlyBytes {
            store: other,
            facts: Arc::clone(&one.facts),
        };
        (one, other)
    }

    /// What the store is given of `new`, whose facts are remembered.
    ///
    /// Before it is written: who loads it may be faster than the answer.
    fn bytes(&self, new: &Draft) -> Draft {
        let number = new.version.as_u64().expect("the suite draws its versions");
        self.facts().written.insert(number, new.meta.clone());
        let mut data = Vec::with_capacity(NUMBER_LEN + new.data.len());
        data.put_u64(number);
        data.put_slice(&new.data);
        Draft {
            data: data.into(),
            meta: two_weeks(),
            version: new.version.clone(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Store for OnlyBytes<S> {
    fn guarantees(&self) -> Guarantees {
        let guarantees = self.store.guarantees();
        Guarantees {
            max_size: guarantees.max_size.map(|max_size| max_size - NUMBER_LEN),
            ..guarantees
        }
    }

    async fn load(&self, at: &Lookup) -> Result<Option<Entry>> {
        let entry = self.store.load(&key(at)).await?;
        Ok(entry.map(|entry| self.facts().whole(entry)))
    }

    async fn create(&self, at: &Lookup, new: &Draft) -> Result<Outcome> {
        self.store.create(&key(at), &self.bytes(new)).await
    }

    async fn save(&self, at: &Lookup, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.store.save(&key(at), seen, &self.bytes(new)).await
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
        self.store.rename(&from, seen, &to, &self.bytes(new)).await
    }

    async fn touch(&self, at: &Lookup, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let outcome = self.store.touch(&key(at), seen, &two_weeks()).await?;
        if let Outcome::Written(version) = &outcome {
            let times = (meta.touched, meta.expires);
            self.facts().touched.insert(name(version), times);
        }
        Ok(outcome)
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        self.store.sweep(now, limit).await
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

#[derive(Default)]
struct Facts {
    /// What a draft with this number said.
    written: HashMap<u64, Meta>,
    /// What the last touch of this version said.
    touched: HashMap<Name, (SystemTime, SystemTime)>,
}

impl Facts {
    /// The entry as it was written, as far as the store has changed nothing; what it has changed fails the test.
    fn whole(&self, mut entry: Entry) -> Entry {
        let Ok(number) = entry.data.try_get_u64() else {
            return entry;
        };
        if let Some(written) = self.written.get(&number)
            && entry.meta.expires > now()
        {
            entry.meta = written.clone();
            if let Some(times) = self.touched.get(&name(&entry.version)) {
                (entry.meta.touched, entry.meta.expires) = *times;
            }
        }
        entry
    }
}

/// What a version can be remembered by.
type Name = (Option<u64>, Option<Bytes>);

fn name(version: &Version) -> Name {
    (version.as_u64(), version.as_bytes().cloned())
}

fn two_weeks() -> Meta {
    Meta {
        created: now(),
        touched: now(),
        expires: now() + Duration::from_secs(14 * 24 * 60 * 60),
        owner: None,
        label: None,
    }
}

const NUMBER_LEN: usize = size_of::<u64>();
