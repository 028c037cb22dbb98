use std::fmt;
use std::time::{Duration, SystemTime};

use super::cache::ask_cache;
use super::decode::decode;
use super::tier::Tier;
use crate::format::{Facts, FormatRules};
use crate::model::{
    Draft, Entry, EntryRef, Meta, Outcome, Record, Result, SaveId, SessionData, SessionKey,
    StoreKey, Version, after,
};
use crate::store::Store;

/// Two tiers that others read and write as well: a back, whose entries count, and a front with a copy of each in a
/// format of its own. Django's engine cached_db is such a pair.
///
/// [`CachedBackend`](crate::CachedBackend) is the better pair where nobody else looks: its front is believed for seconds only. Here a
/// copy is believed until the session ends, because its readers know nothing else. So everything that changes a session
/// changes the back first, and then corrects the copy or removes it:
///
/// * **A read** that finds a copy does not ask the back. One that finds none loads the entry and leaves a copy; then it
///   looks at the entry again, and takes the copy back if the session was saved or ended meanwhile.
/// * **A write** never builds on a copy. It loads the entry, does the edits again on that, and the back compares. Then
///   the copy is replaced if it is the one that was there before; in every other case it is removed, and the next read
///   leaves a new one.
/// * **A logout, and a new key**, remove the copy, and answer with an error if they cannot: it would go on being read.
///
/// The guarantees are the back's. **If the front fails**, reads and writes pass it over: slower, not wrong, as long as it
/// comes back empty; a copy that it kept through the failure can be as old as that. **If the back fails**, pages that
/// only read go on with the copies. **If the process is killed** between leaving a copy and looking again, a copy of a
/// session that ended in that instant is read for half a minute.
///
/// # Examples
/// ```
/// use cloakroom::format::DefaultFormat;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{WriteThroughBackend, Sessions, Backend};
///
/// # let (cache, database) = (MemoryStore::new(), MemoryStore::new());
/// let cache = Backend::new(cache, DefaultFormat::new());
/// let sessions = Sessions::new(WriteThroughBackend::new(cache, database)?);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct WriteThroughBackend {
    pub(super) cache: Tier,
    pub(super) origin: Tier,
}

impl WriteThroughBackend {
    pub(super) fn of(cache: Tier, origin: Tier) -> Self {
        Self { cache, origin }
    }

    /// The back's rules; but of the facts only those that a copy has, too.
    pub(super) fn rules(&self, origin: FormatRules) -> FormatRules {
        let facts = match self.cache.format.rules().facts {
            Facts::All => origin.facts,
            fewer => fewer,
        };
        FormatRules { facts, ..origin }
    }

    pub(super) async fn load(
        &self,
        key: &StoreKey,
        now: SystemTime,
    ) -> Result<Option<(Record, Version)>> {
        let cache = ask_cache("asking", self.cache.store.load(key)).await;
        if let Some(Some(copy)) = &cache
            && let Some(record) = self.read_copy(copy)
            && record.meta.expires > now
        {
            return Ok(Some((
                record,
                Version::of_tiers(Some(copy.version.clone()), None),
            )));
        }
        let loaded = self.origin.load(key).await;
        let Some((record, entry)) = decode(&*self.origin.format, key, loaded)? else {
            return Ok(None);
        };
        let copy = match cache {
            Some(Some(unreadable)) => Some(unreadable.version),
            Some(None) if record.meta.expires > after(now, A_SECOND) => {
                self.fill(key, &record, &entry, now).await
            }
            Some(None) | None => None,
        };
        Ok(Some((record, Version::of_tiers(copy, Some(entry)))))
    }

    /// What the back has, with the version of the copy that was there before it was asked: if that is still there after
    /// a write, nobody has touched it in between.
    pub(super) async fn reload(&self, key: &StoreKey) -> Result<Option<(Record, Version)>> {
        let cache = ask_cache("asking", self.cache.store.load(key))
            .await
            .flatten();
        let loaded = self.origin.load(key).await;
        let found = decode(&*self.origin.format, key, loaded)?;
        Ok(found.map(|(record, entry)| {
            let copy = cache.map(|copy| copy.version);
            (record, Version::of_tiers(copy, Some(entry)))
        }))
    }

    pub(super) async fn create(&self, draft: &Draft) -> Result<EntryRef> {
        let written = self.origin.create(draft).await?;
        Ok(self.with_first_copy(written, draft).await)
    }

    pub(super) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<EntryRef>> {
        let (copy, Some(entry)) = at.version.tiers() else {
            return Ok(None);
        };
        match self.origin.save(&in_origin(at, entry), new).await {
            Ok(Some(written)) => {
                let copy = self
                    .correct(&at.store_key, copy, &written.version, new)
                    .await;
                Ok(Some(in_both(written, copy)))
            }
            // Whoever came first sees to the copy.
            Ok(None) => Ok(None),
            Err(error) => {
                self.forget(&at.store_key).await;
                Err(error)
            }
        }
    }

    pub(super) async fn rename(
        &self,
        from: &EntryRef,
        new: &Draft,
        lost: &mut Vec<(SessionKey, StoreKey)>,
    ) -> Result<Option<EntryRef>> {
        let (_, Some(entry)) = from.version.tiers() else {
            return Ok(None);
        };
        // Before, since afterwards it would be too late to say that it cannot be done; and after, since somebody may
        // have read in between.
        self.cache.delete(&from.store_key).await?;
        let renamed = self.origin.rename(&in_origin(from, entry), new, lost).await;
        self.forget(&from.store_key).await;
        match renamed? {
            Some(written) => Ok(Some(self.with_first_copy(written, new).await)),
            None => Ok(None),
        }
    }

    pub(super) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<EntryRef>> {
        let (copy, entry) = at.version.tiers();
        let entry = match entry {
            Some(entry) => entry.clone(),
            None => match self.origin.load(&at.store_key).await? {
                Some(entry) if entry.meta.expires > meta.touched => entry.version,
                _ => return Ok(None),
            },
        };
        let Some(touched) = self.origin.touch(&in_origin(at, &entry), meta).await? else {
            return Ok(None);
        };
        // A copy that is not touched is forgotten a little early, and no harm is done.
        let copy = match copy {
            Some(copy) => {
                let touch = self.cache.store.touch(&at.store_key, copy, meta);
                ask_cache("touching", touch)
                    .await
                    .and_then(Outcome::written)
            }
            None => None,
        };
        Ok(Some(in_both(touched, copy)))
    }

    pub(super) async fn delete(&self, key: &StoreKey) -> Result<()> {
        let deleted = self.origin.delete(key).await;
        let forgotten = self.cache.delete(key).await;
        deleted.and(forgotten)
    }

    /// What a copy says; one that cannot be read says nothing, and the back is asked.
    fn read_copy(&self, copy: &Entry) -> Option<Record> {
        let session_data = self.cache.format.decode(&copy.data).ok()?;
        let mut meta = copy.meta.clone();
        self.cache
            .format
            .complete(&copy.data, &session_data, &mut meta);
        Some(Record {
            data: session_data,
            meta,
        })
    }

    /// Leaves a copy where there was none, on a task of its own: whoever asked may go away before the second look.
    async fn fill(
        &self,
        key: &StoreKey,
        record: &Record,
        entry: &Version,
        now: SystemTime,
    ) -> Option<Version> {
        let meta = Meta {
            touched: now,
            ..record.meta.clone()
        };
        let for_good = self.copy_of(&record.data, &meta)?;
        let mut for_now = for_good.clone();
        for_now.meta.expires = meta.expires.min(after(now, PROBATION));
        let (tiers, key, entry) = (self.clone(), key.clone(), entry.clone());
        let filling = async move {
            let cache = &tiers.cache.store;
            let Some(filled) = ask_cache("filling", cache.create(&key, &for_now)).await else {
                // It may be there nevertheless.
                tiers.forget(&key).await;
                return None;
            };
            let copy = tiers.confirm(&key, filled.written()?, &entry).await?;
            let kept = cache.touch(&key, &copy, &for_good.meta);
            ask_cache("filling", kept).await.and_then(Outcome::written)
        };
        tokio::spawn(filling).await.ok().flatten()
    }

    /// Makes the copy what was just written to the back, if it is what was there before; else there is none afterwards.
    async fn correct(
        &self,
        key: &StoreKey,
        seen: Option<&Version>,
        entry: &Version,
        new: &Draft,
    ) -> Option<Version> {
        let outcome = match (self.copy_of_draft(new), seen) {
            (Some(copy), Some(seen)) => {
                let save = self.cache.store.save(key, seen, &copy);
                ask_cache("correcting", save).await
            }
            (Some(copy), None) => {
                ask_cache("correcting", self.cache.store.create(key, &copy)).await
            }
            (None, _) => None,
        };
        match outcome.and_then(Outcome::written) {
            // The front may compare bytes, and they may have been others and the same again in between.
            Some(copy) => self.confirm(key, copy, entry).await,
            None => {
                self.forget(key).await;
                None
            }
        }
    }

    /// Takes the copy back if the entry is not what it is a copy of any more.
    async fn confirm(&self, key: &StoreKey, copy: Version, entry: &Version) -> Option<Version> {
        match self.origin.load(key).await {
            Ok(Some(there)) if there.version == *entry => Some(copy),
            _ => {
                self.forget(key).await;
                None
            }
        }
    }

    /// What is not there cannot be wrong.
    async fn forget(&self, key: &StoreKey) {
        ask_cache("forgetting", self.cache.store.delete(key)).await;
    }

    /// Leaves a copy under a key that nobody knows yet, so nobody can have changed anything meanwhile.
    async fn with_first_copy(&self, in_origin: EntryRef, draft: &Draft) -> EntryRef {
        let copy = match self.copy_of_draft(draft) {
            Some(copy) => {
                let create = self.cache.store.create(&in_origin.store_key, &copy);
                ask_cache("filling", create)
                    .await
                    .and_then(Outcome::written)
            }
            None => None,
        };
        in_both(in_origin, copy)
    }

    fn copy_of_draft(&self, draft: &Draft) -> Option<Draft> {
        let session_data = self.origin.format.decode(&draft.data).ok()?;
        self.copy_of(&session_data, &draft.meta)
    }

    /// `None` if the contents have no form in the front's format: then the back is always asked.
    fn copy_of(&self, session_data: &SessionData, meta: &Meta) -> Option<Draft> {
        Some(Draft {
            data: self.cache.format.encode(session_data, meta.touched).ok()?,
            meta: meta.clone(),
            save_id: SaveId::random().ok()?,
        })
    }
}

impl fmt::Debug for WriteThroughBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrored")
            .field("cache", &self.cache.store)
            .field("origin", &self.origin.store)
            .finish()
    }
}

/// The entry as the origin knows it.
fn in_origin(at: &EntryRef, entry: &Version) -> EntryRef {
    at.at_version(entry.clone())
}

fn in_both(in_origin: EntryRef, copy: Option<Version>) -> EntryRef {
    EntryRef {
        version: Version::of_tiers(copy, Some(in_origin.version)),
        ..in_origin
    }
}

/// How long a copy lasts whose second look is still to come.
const PROBATION: Duration = Duration::from_secs(30);

/// What ends sooner is not worth a copy; and caches count in seconds.
const A_SECOND: Duration = Duration::from_secs(1);
