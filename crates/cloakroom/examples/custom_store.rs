//! A store of one's own, and the proof that it keeps the promises: `cargo test -p cloakroom --example custom_store`.
//!
//! It keeps entries in a `HashMap`. A real one would ask a database, with the same comparisons in its statements.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
use cloakroom::{Result, Sessions, StoreKey};

#[derive(Default)]
struct Shelf(Mutex<HashMap<StoreKey, Entry>>);

impl Shelf {
    fn entries(&self) -> MutexGuard<'_, HashMap<StoreKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Shelf {
    fn guarantees(&self) -> Guarantees {
        Guarantees {
            compares: true,
            revokes: true,
            ..Guarantees::default()
        }
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        Ok(self.entries().get(key).cloned())
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let mut entries = self.entries();
        if entries.contains_key(key) {
            return Ok(Outcome::Stale);
        }
        entries.insert(key.clone(), entry(new));
        Ok(Outcome::Written(new.version()))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        match self.entries().get_mut(key) {
            Some(there) if there.version == *seen => {
                *there = entry(new);
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

fn entry(new: &Draft) -> Entry {
    Entry {
        data: new.data.clone(),
        meta: new.meta.clone(),
        version: new.version(),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let sessions = Sessions::new(Shelf::default());
    let session = sessions.new_session();
    session.set("theme", "dark")?;
    session.save().await?;
    println!("saved {session:?} on a shelf of my own");
    Ok(())
}

#[cfg(test)]
cloakroom_testkit::conformance!(custom_store, Shelf::default());
