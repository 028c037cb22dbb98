use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::call_limit::CallLimit;
use crate::model::{Error, ErrorKind, Owner, Result, StoreKey};
use crate::store::{AnyStore, Store};

/// A cache in front of an origin. If the cache fails, requests continue without it.
///
/// The handler or commit in which the cache failed skips the cache until it ends. All other calls
/// skip the cache for [`PAUSE`]; then one call tries the cache again.
#[derive(Clone)]
pub(super) struct Cache {
    pub(super) store: AnyStore,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The end of the pause in which calls skip the cache, or `None` while the cache works.
    skipped_until: Mutex<Option<Instant>>,
    undropped: Undropped,
}

impl Cache {
    pub(super) fn new(store: AnyStore) -> Self {
        Self {
            store,
            shared: Arc::default(),
        }
    }

    /// The keys of copies whose removal the cache has not acknowledged.
    pub(super) fn undropped(&self) -> &Undropped {
        &self.shared.undropped
    }

    /// Returns the answer of the cache, or `None` if the cache fails, does not answer in time or is
    /// skipped. Failures are logged; the caller continues without the cache.
    pub(super) async fn ask<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Option<T> {
        match self.is_skipped() {
            true => None,
            false => self.call(doing, call).await,
        }
    }

    /// Drops the copy at `key`, even while the cache is skipped. Returns whether the cache
    /// acknowledged that the copy is gone.
    ///
    /// Returns `false` without a call if the cache has already failed in this handler or commit and
    /// the key is one of the [`undropped`](Self::undropped).
    pub(super) async fn drop_copy(&self, key: &StoreKey, now: SystemTime) -> bool {
        if CallLimit::cache_has_failed() && self.undropped().contains(key, now) {
            return false;
        }
        let dropping = self.store.delete(key);
        self.call("deleting from", dropping).await.is_some()
    }

    async fn call<T>(&self, doing: &str, call: impl Future<Output = Result<T>>) -> Option<T> {
        let error = match tokio::time::timeout(TIMEOUT, call).await {
            Ok(Ok(answer)) => {
                *self.skipped_until() = None;
                return Some(answer);
            }
            Ok(Err(error)) if !error.kind().may_have_happened() => {
                // The cache works, but refuses this call.
                let error = format!("{error:#}");
                tracing::warn!(error, "{doing} the session cache failed");
                return None;
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {TIMEOUT:?}"),
        };
        if self.set_failed() {
            tracing::warn!(
                error,
                "{doing} the session cache failed; going on without it"
            );
        }
        None
    }

    /// Records a failure: this handler or commit skips the cache until it ends, and all other calls
    /// skip the cache for [`PAUSE`]. Returns whether the cache worked before.
    pub(super) fn set_failed(&self) -> bool {
        CallLimit::set_cache_failed();
        self.skipped_until()
            .replace(Instant::now() + PAUSE)
            .is_none()
    }

    /// Returns whether requests skip the cache now.
    pub(super) fn has_failed(&self) -> bool {
        let until = *self.skipped_until();
        until.is_some_and(|until| until > Instant::now())
    }

    /// Returns whether this call skips the cache. If the pause is over, lets this call through and
    /// begins the next pause for all others.
    fn is_skipped(&self) -> bool {
        if CallLimit::cache_has_failed() {
            return true;
        }
        let mut skipped_until = self.skipped_until();
        let Some(until) = *skipped_until else {
            return false;
        };
        let now = Instant::now();
        if until <= now {
            *skipped_until = Some(now + PAUSE);
        }
        until > now
    }

    fn skipped_until(&self) -> MutexGuard<'_, Option<Instant>> {
        let locked = self.shared.skipped_until.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of copies whose removal the cache has not acknowledged. This process does not use these
/// copies.
#[derive(Default)]
pub(super) struct Undropped {
    /// Whether there may be any. Read without the lock, because almost always there are none.
    any: AtomicBool,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    listed: HashMap<StoreKey, Listed>,
    /// The end of the time in which no copy is used, whatever its key, because there was no room
    /// for another key.
    all_until: Option<SystemTime>,
}

struct Listed {
    /// The time by which the cache will have dropped the copy, or `None` if it is not known.
    until: Option<SystemTime>,
    owner: Option<Owner>,
}

impl Undropped {
    /// Adds the key of a copy. `until` is the time by which the cache will have dropped the copy,
    /// or `None` if it is not known. [`of_owner`](Self::of_owner) finds the key if `owner` is
    /// given.
    pub(super) fn add(
        &self,
        key: &StoreKey,
        owner: Option<&Owner>,
        now: SystemTime,
        until: Option<SystemTime>,
    ) {
        let mut keys = self.keys();
        if keys.listed.len() >= MAX_UNDROPPED {
            keys.listed.retain(|_, listed| listed.is_current(now));
        }
        let owner = owner.cloned();
        if let Some(listed) = keys.listed.get_mut(key) {
            listed.until = listed.until.zip(until).map(|(one, other)| one.max(other));
            listed.owner = owner.or_else(|| listed.owner.take());
        } else if keys.listed.len() < MAX_UNDROPPED {
            keys.listed.insert(key.clone(), Listed { until, owner });
        } else {
            // If the time is not known, this copy is used again.
            keys.all_until = keys.all_until.max(until);
        }
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn contains(&self, key: &StoreKey, now: SystemTime) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let keys = self.keys();
        keys.all_until.is_some_and(|until| until > now)
            || (keys.listed.get(key)).is_some_and(|listed| listed.is_current(now))
    }

    /// Removes a key, after the cache acknowledged that the copy is gone or replaced.
    pub(super) fn remove(&self, key: &StoreKey) {
        if self.any.load(Ordering::Acquire) {
            let mut keys = self.keys();
            keys.listed.remove(key);
            let any = !keys.listed.is_empty() || keys.all_until.is_some();
            self.any.store(any, Ordering::Release);
        }
    }

    /// Returns the keys that were added for this owner.
    pub(super) fn of_owner(&self, owner: &Owner, now: SystemTime) -> Vec<StoreKey> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let keys = self.keys();
        let listed = keys
            .listed
            .iter()
            .filter(|(_, listed)| listed.owner.as_ref() == Some(owner) && listed.is_current(now));
        listed.map(|(key, _)| key.clone()).collect()
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    fn is_current(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Returns the error for a call that ended an owner's sessions, but could not drop all of their
/// copies in the cache.
pub(super) fn copies_remain() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "ending an owner's sessions: they have ended in the store, but the cache did not \
         acknowledge that their copies are gone; try again",
    )
}

/// The time limit of a cache call. The origin usually answers in less time.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How long calls skip a cache that has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The maximum number of listed keys. This many keys take about 10 MB.
const MAX_UNDROPPED: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn if_there_is_no_room_for_another_key_no_copy_is_used() {
        let undropped = Undropped::default();
        let (now, until) = (from_millis(0), from_millis(10));
        let key = |n: usize| StoreKey::new(&n.to_be_bytes());
        for n in 0..=MAX_UNDROPPED {
            assert!(!undropped.contains(&key(n), now));
            undropped.add(&key(n), None, now, Some(until));
            assert!(undropped.contains(&key(n), now));
        }
        assert!(undropped.contains(&key(MAX_UNDROPPED + 1), now));
        assert_eq!(undropped.keys().listed.len(), MAX_UNDROPPED);

        // A listed key stays listed until the latest of its times.
        undropped.add(&key(0), Some(&"ada".into()), now, Some(from_millis(15)));
        undropped.add(&key(0), None, now, Some(from_millis(5)));
        assert!(undropped.contains(&key(0), from_millis(14)));
        assert_eq!(undropped.of_owner(&"ada".into(), now), [key(0)]);

        // Later, the expired keys make room.
        undropped.add(&key(0), None, until, Some(from_millis(20)));
        assert!(undropped.contains(&key(0), until));
        assert!(!undropped.contains(&key(1), until));
        assert_eq!(undropped.keys().listed.len(), 1);
        undropped.add(&key(0), None, until, None);
        undropped.add(&key(0), None, until, Some(from_millis(20)));
        assert!(
            undropped.contains(&key(0), from_millis(1_000)),
            "it has no end"
        );
    }
}
