use std::sync::Arc;
use std::time::Duration;

use super::call_limit::CallLimit;
use crate::format::Format;
use crate::model::{
    Draft, Entry, EntryRef, Error, ErrorKind, Meta, Outcome, Result, SessionKey, StoreKey,
    Tombstone, after,
};
use crate::store::{AnyStore, Store};

/// A store and the format of its entries, with a limit on the time of each call.
#[derive(Clone)]
pub(super) struct Tier {
    pub(super) store: AnyStore,
    pub(super) format: Arc<dyn Format>,
    pub(super) timeout: Duration,
    /// How long a tombstone stays at the old key of a session that moved. If zero, no tombstone is
    /// written.
    pub(super) tombstone_age: Duration,
    /// The namespace of new keys.
    pub(super) namespace: Arc<str>,
}

impl Tier {
    pub(super) async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        self.within(LOADING, self.store.load(key)).await
    }

    /// Writes a new entry under a fresh key.
    pub(super) async fn create(&self, draft: &Draft) -> Result<EntryRef> {
        for _ in 0..KEY_TRIES {
            let key = self.format.new_key()?;
            let store_key = self.format.store_key(&self.namespace, &key);
            let created = self
                .within("creating a session", self.store.create(&store_key, draft))
                .await;
            match created {
                Ok(Outcome::Written(version)) => {
                    return Ok(EntryRef::new(key, store_key, version));
                }
                Ok(Outcome::Stale) => {}
                Err(error) if error.kind().may_have_happened() => {
                    return Box::pin(self.find_created(key, store_key, draft, error)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("creating a session: {KEY_TRIES} fresh keys in a row were taken"),
        ))
    }

    /// Finds out whether a `create` whose answer was lost took effect. If that cannot be found out,
    /// deletes the entry in the background.
    async fn find_created(
        &self,
        key: SessionKey,
        store_key: StoreKey,
        draft: &Draft,
        lost: Error,
    ) -> Result<EntryRef> {
        match self.load(&store_key).await {
            Ok(Some(entry)) if entry.version == draft.version() => {
                Ok(EntryRef::new(key, store_key, entry.version))
            }
            // The browser will never get this key, so the entry is useless if it exists after all.
            _ => {
                self.delete_later(store_key);
                Err(lost)
            }
        }
    }

    pub(super) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<EntryRef>> {
        let saved = self.store.save(&at.store_key, &at.version, new);
        let outcome = self.within("saving a session", saved).await?;
        Ok(outcome.written().map(|version| at.at_version(version)))
    }

    /// Does what [`save`](Self::save) does, and moves the entry to a fresh key. A tombstone stays
    /// at the old key. If the store's answer is lost, the entry may have moved, and the fresh key
    /// is added to `lost`.
    pub(super) async fn rename(
        &self,
        from: &EntryRef,
        new: &Draft,
        lost: &mut Vec<(SessionKey, StoreKey)>,
    ) -> Result<Option<EntryRef>> {
        let key = self.format.new_key()?;
        let to = self.format.store_key(&self.namespace, &key);
        let tombstone = self.tombstone(&to, new)?;
        let tombstone = tombstone.as_ref();
        let renamed = self
            .store
            .rename(&from.store_key, &from.version, &to, new, tombstone);
        let renamed = self.within("moving a session to a new key", renamed).await;
        if let Err(error) = &renamed
            && error.kind().may_have_happened()
        {
            lost.push((key.clone(), to.clone()));
        }
        let version = renamed?.written();
        Ok(version.map(|version| EntryRef::new(key, to, version)))
    }

    /// Returns the tombstone to leave when `new` moves to the key `successor`.
    fn tombstone(&self, successor: &StoreKey, new: &Draft) -> Result<Option<Draft>> {
        if self.tombstone_age.is_zero() {
            return Ok(None);
        }
        let tombstone = Tombstone::new(successor.clone(), new.meta.owner.clone());
        let data = self.format.encode_tombstone(&tombstone)?;
        let now = new.meta.touched;
        let meta = Meta::tombstone(now, after(now, self.tombstone_age));
        Ok(data.map(|data| Draft::new(data, meta, new.save_id)))
    }

    pub(super) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<EntryRef>> {
        let touched = self.store.touch(&at.store_key, &at.version, meta);
        let outcome = self.within("touching a session", touched).await?;
        Ok(outcome.written().map(|version| at.at_version(version)))
    }

    pub(super) async fn delete(&self, key: &StoreKey) -> Result<()> {
        match self
            .within("ending a session", self.store.delete(key))
            .await
        {
            Err(error) if error.kind().may_have_happened() => match self.load(key).await {
                Ok(None) => Ok(()),
                _ => Err(error),
            },
            outcome => outcome,
        }
    }

    /// Deletes an entry whose key no browser has, on its own task and with its own time limit. If
    /// that fails, the entry stays until it expires.
    pub(super) fn delete_later(&self, key: StoreKey) {
        let tier = self.clone();
        tokio::spawn(async move {
            if let Err(error) = tier.delete(&key).await {
                let error = format!("{error:#}");
                tracing::warn!(error, "an orphan stays until it expires");
            }
        });
    }

    /// Returns the answer of one store call, or an error if the call takes too long. See
    /// [`CallLimit`].
    pub(super) async fn within<T>(
        &self,
        doing: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        CallLimit::call(self.timeout, doing, call).await
    }
}

/// What [`load`](Tier::load) does, for error messages.
pub(super) const LOADING: &str = "loading a session";

/// The maximum number of fresh keys to try. Even one taken key is less likely than a hardware
/// fault.
const KEY_TRIES: usize = 8;
