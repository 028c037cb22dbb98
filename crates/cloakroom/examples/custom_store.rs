//! A custom store, and a test that it keeps the promises of `Store`:
//! `cargo test -p cloakroom --example custom_store`.
//!
//! The store keeps entries in a `HashMap`. A store for a database makes the same comparisons in
//! SQL.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
use cloakroom::{Result, Sessions, StoreKey};

#[derive(Default)]
struct HashMapStore(Mutex<HashMap<StoreKey, Entry>>);

impl HashMapStore {
    fn entries(&self) -> MutexGuard<'_, HashMap<StoreKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for HashMapStore {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default().compares().revokes()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        Ok(self.entries().get(key).cloned())
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let mut entries = self.entries();
        if entries.contains_key(key) {
            return Ok(Outcome::Stale);
        }
        entries.insert(key.clone(), new.clone().into());
        Ok(Outcome::Written(new.version()))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        match self.entries().get_mut(key) {
            Some(there) if there.version == *seen => {
                *there = new.clone().into();
                Ok(Outcome::Written(new.version()))
            }
            _ => Ok(Outcome::Stale),
        }
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        match self.entries().get_mut(key) {
            Some(there) if there.version == *seen => {
                there.meta.touched = meta.touched;
                there.meta.expires = meta.expires;
                Ok(Outcome::Written(seen.clone()))
            }
            _ => Ok(Outcome::Stale),
        }
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.entries().remove(key);
        Ok(())
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let mut entries = self.entries();
        let dead = entries.extract_if(|_, entry| entry.meta.expires <= now);
        Ok(dead.take(limit).count())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let sessions = Sessions::new(HashMapStore::default());
    let session = sessions.new_session();
    session.set("theme", "dark")?;
    session.save().await?;
    println!("saved {session:?} in a store of my own");
    Ok(())
}

#[cfg(test)]
cloakroom_testkit::conformance!(custom_store, HashMapStore::default());
