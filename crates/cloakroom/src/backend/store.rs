use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::written::Written;
use crate::format::{Format, Tags};
use crate::model::{
    Draft, Entry, EntryRef, Error, ErrorKind, Meta, Outcome, OwnedEntry, Owner, Result, SessionKey,
    SessionTag, StoreKey, may_have_happened,
};
use crate::store::{AnyStore, Store};

/// A store read in a format, with a limit on the time of each call.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) store: AnyStore,
    pub(super) format: Arc<dyn Format>,
    pub(super) timeout: Duration,
}

impl Stored {
    pub(super) async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        self.within("loading a session", self.store.load(key)).await
    }

    /// Writes a new entry under a key that nobody else has.
    pub(super) async fn create(&self, draft: &Draft) -> Result<Written> {
        for _ in 0..KEY_TRIES {
            let key = self.format.new_key()?;
            let store_key = self.format.store_key(&key);
            let created = self
                .within("creating a session", self.store.create(&store_key, draft))
                .await;
            match created {
                Ok(Outcome::Written(version)) => return Ok(Written::new(key, store_key, version)),
                Ok(Outcome::Stale) => {}
                Err(error) if may_have_happened(&error) => {
                    return match self.load(&store_key).await {
                        Ok(Some(entry)) if entry.version == draft.version() => {
                            Ok(Written::new(key, store_key, entry.version))
                        }
                        // Nobody will ever know its key. If it is there after all, it is of no use to anybody.
                        _ => {
                            let _ = self.delete(&store_key).await;
                            Err(error)
                        }
                    };
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("creating a session: {KEY_TRIES} fresh keys in a row were taken"),
        ))
    }

    pub(super) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<Written>> {
        let saved = self.store.save(&at.store_key, &at.version, new);
        let outcome = self.within("saving a session", saved).await?;
        Ok(in_place(at, outcome))
    }

    pub(super) async fn rename(
        &self,
        from: &EntryRef,
        new: &Draft,
        lost: &mut Vec<(SessionKey, StoreKey)>,
    ) -> Result<Option<Written>> {
        let key = self.format.new_key()?;
        let to = self.format.store_key(&key);
        let renamed = self.store.rename(&from.store_key, &from.version, &to, new);
        let renamed = self.within("moving a session to a new key", renamed).await;
        if renamed.as_ref().is_err_and(may_have_happened) {
            lost.push((key.clone(), to.clone()));
        }
        Ok(match renamed? {
            Outcome::Written(version) => Some(Written::new(key, to, version)),
            Outcome::Stale => None,
        })
    }

    pub(super) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<Written>> {
        let touched = self.store.touch(&at.store_key, &at.version, meta);
        let outcome = self.within("touching a session", touched).await?;
        Ok(in_place(at, outcome))
    }

    pub(super) async fn delete(&self, key: &StoreKey) -> Result<()> {
        match self
            .within("ending a session", self.store.delete(key))
            .await
        {
            Err(error) if may_have_happened(&error) => match self.load(key).await {
                Ok(None) => Ok(()),
                _ => Err(error),
            },
            outcome => outcome,
        }
    }

    pub(super) async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        self.within("sweeping expired sessions", self.store.sweep(now, limit))
            .await
    }

    pub(super) async fn owned_by(&self, owner: &Owner) -> Result<Vec<OwnedEntry>> {
        self.within("listing an owner's sessions", self.store.owned_by(owner))
            .await
    }

    /// The session with this tag, if the store can tell.
    pub(super) async fn find(&self, tag: &SessionTag) -> Result<Option<StoreKey>> {
        if self.format.rules().tags == Tags::Hash {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "finding a session by its tag: in this format a tag does not lead to its session",
            ));
        }
        self.within(
            "finding a session by its tag",
            self.store.find(tag.as_bytes()),
        )
        .await
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.within("asking the store whether it answers", self.store.ping())
            .await
    }

    async fn within<T>(
        &self,
        doing: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "{doing}: the store did not answer within {:?}",
                    self.timeout
                ),
            )),
        }
    }
}

fn in_place(at: &EntryRef, outcome: Outcome) -> Option<Written> {
    match outcome {
        Outcome::Written(version) => Some(Written {
            key: at.key.clone(),
            store_key: at.store_key.clone(),
            version,
        }),
        Outcome::Stale => None,
    }
}

/// How many taken keys in a row are bad luck. One is already less likely than a broken machine.
const KEY_TRIES: usize = 8;
