//! An in-memory store that behaves like Django's table or cache.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_django::wire::cache::{memcached_exptime, redis_ttl};

/// As in Django's tables, the version of a row is its data, and the time at which a session started
/// is not stored.
#[derive(Clone)]
pub(crate) struct Rows(Arc<Mutex<BTreeMap<String, Row>>>, Kind);

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) data: Bytes,
    pub(crate) expires: SystemTime,
    /// The TTL in Redis, in seconds.
    pub(crate) redis_ttl: i64,
    /// The `exptime` in memcached.
    pub(crate) memcached_exptime: i64,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// `load` returns the time at which a session ends.
    Table,
    /// `load` does not return the time at which a session ends.
    Cache,
}

impl Rows {
    pub(crate) fn table() -> Self {
        Self(Arc::default(), Kind::Table)
    }

    pub(crate) fn cache() -> Self {
        Self(Arc::default(), Kind::Cache)
    }

    pub(crate) fn put(&self, key: &str, data: impl Into<Bytes>, expires: SystemTime) {
        let row = Row {
            data: data.into(),
            expires,
            redis_ttl: 0,
            memcached_exptime: 0,
        };
        self.rows().insert(key.to_owned(), row);
    }

    pub(crate) fn get(&self, key: &str) -> Option<Row> {
        self.rows().get(key).cloned()
    }

    pub(crate) fn remove(&self, key: &str) {
        self.rows().remove(key);
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Row> {
        self.rows().clone()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        self.0.lock().unwrap()
    }
}

impl Store for Rows {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default().compares().revokes()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        Ok(self.get(text(key)).map(|row| {
            let version = Version::from_bytes(row.data.clone());
            Entry::new(
                row.data,
                Meta::new(
                    UNIX_EPOCH,
                    UNIX_EPOCH,
                    match self.1 {
                        Kind::Table => row.expires,
                        Kind::Cache => from_millis(i64::MAX),
                    },
                ),
                version,
            )
        }))
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let mut rows = self.rows();
        if rows.contains_key(text(key)) {
            return Ok(Outcome::Stale);
        }
        Ok(write(&mut rows, key, new))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let mut rows = self.rows();
        if !has_version(&rows, key, seen) {
            return Ok(Outcome::Stale);
        }
        Ok(write(&mut rows, key, new))
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.remove(text(key));
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        _tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let mut rows = self.rows();
        if !has_version(&rows, from, seen) || rows.contains_key(text(to)) {
            return Ok(Outcome::Stale);
        }
        rows.remove(text(from));
        Ok(write(&mut rows, to, new))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let mut rows = self.rows();
        match rows.get_mut(text(key)) {
            Some(row) if Version::from_bytes(row.data.clone()) == *seen => {
                row.expires = meta.expires;
                row.redis_ttl = redis_ttl(meta);
                row.memcached_exptime = memcached_exptime(meta);
                Ok(Outcome::Written(seen.clone()))
            }
            _ => Ok(Outcome::Stale),
        }
    }
}

fn has_version(rows: &BTreeMap<String, Row>, key: &StoreKey, seen: &Version) -> bool {
    let row = rows.get(text(key));
    row.is_some_and(|row| Version::from_bytes(row.data.clone()) == *seen)
}

fn write(rows: &mut BTreeMap<String, Row>, key: &StoreKey, new: &Draft) -> Outcome {
    let row = Row {
        data: new.data.clone(),
        expires: new.meta.expires,
        redis_ttl: redis_ttl(&new.meta),
        memcached_exptime: memcached_exptime(&new.meta),
    };
    rows.insert(text(key).to_owned(), row);
    Outcome::Written(Version::from_bytes(new.data.clone()))
}

fn text(key: &StoreKey) -> &str {
    std::str::from_utf8(key.as_bytes()).unwrap()
}
