//! Tests that stores with weaker guarantees pass the suite: a store that uses the provided methods
//! of the trait, a store that does not compare versions, and a store with a maximum size.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
use cloakroom::{Error, ErrorKind, Result, StoreKey};
use cloakroom_testkit::conformance::{OnlyBytes, OnlyText};
use cloakroom_testkit::{conformance, conformance_shared};

conformance!(with_the_provided_methods, Modest::new(), swept_by_backend);
conformance!(
    without_comparing_versions,
    Modest::last_write_wins(),
    swept_by_backend
);
conformance!(with_a_maximum_size, Modest::up_to(2_000), swept_by_backend);

conformance!(
    behind_only_text,
    OnlyText::new(Modest::new()),
    swept_by_backend
);

conformance_shared!(
    two_handles_with_the_provided_methods,
    Modest::twice(Modest::new())
);
conformance_shared!(
    two_handles_without_comparing_versions,
    Modest::twice(Modest::last_write_wins())
);

conformance!(
    behind_only_bytes,
    OnlyBytes::new(Modest::new()),
    swept_by_backend
);
conformance!(
    behind_only_bytes_with_a_maximum_size,
    OnlyBytes::new(Modest::up_to(2_000)),
    swept_by_backend
);

conformance_shared!(two_handles_behind_only_bytes, {
    let (one, other) = Modest::twice(Modest::new());
    OnlyBytes::pair(one, other)
});

conformance_shared!(two_handles_behind_only_text, {
    let (one, other) = Modest::twice(Modest::new());
    OnlyText::pair(one, other)
});

/// A store that implements only the required methods.
struct Modest {
    entries: Mutex<HashMap<StoreKey, Entry>>,
    guarantees: Guarantees,
}

impl Modest {
    fn new() -> Self {
        Self {
            entries: Mutex::default(),
            guarantees: Guarantees::default().compares().revokes(),
        }
    }

    fn last_write_wins() -> Self {
        let mut modest = Self::new();
        modest.guarantees.compares = false;
        modest
    }

    fn up_to(max_size: usize) -> Self {
        let mut modest = Self::new();
        modest.guarantees.max_size = Some(max_size);
        modest
    }

    /// Returns two handles to this store.
    fn twice(self) -> (Arc<Self>, Arc<Self>) {
        let one = Arc::new(self);
        (one.clone(), one)
    }

    fn entry(&self, new: &Draft) -> Result<Entry> {
        if self
            .guarantees
            .max_size
            .is_some_and(|max_size| new.data.len() > max_size)
        {
            return Err(Error::new(ErrorKind::TooLarge, "storing an entry"));
        }
        Ok(Entry::new(
            new.data.clone(),
            new.meta.clone(),
            new.version(),
        ))
    }

    fn write(&self, key: &StoreKey, seen: &Version, change: impl FnOnce(&mut Entry)) -> Outcome {
        let mut entries = self.entries.lock().expect("no panic under the lock");
        match entries.get_mut(key) {
            Some(entry) if entry.version == *seen || !self.guarantees.compares => {
                change(entry);
                Outcome::Written(entry.version.clone())
            }
            _ => Outcome::Stale,
        }
    }
}

impl Store for Modest {
    fn guarantees(&self) -> Guarantees {
        self.guarantees
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        Ok(self
            .entries
            .lock()
            .expect("no panic under the lock")
            .get(key)
            .cloned())
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let entry = self.entry(new)?;
        let mut entries = self.entries.lock().expect("no panic under the lock");
        if entries.contains_key(key) {
            return Ok(Outcome::Stale);
        }
        entries.insert(key.clone(), entry);
        Ok(Outcome::Written(new.version()))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let new = self.entry(new)?;
        Ok(self.write(key, seen, |entry| *entry = new))
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.entries
            .lock()
            .expect("no panic under the lock")
            .remove(key);
        Ok(())
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        Ok(self.write(key, seen, |entry| {
            entry.meta.touched = meta.touched;
            entry.meta.expires = meta.expires;
        }))
    }
}
