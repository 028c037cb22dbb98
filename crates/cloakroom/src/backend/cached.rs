use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut, Bytes};

use super::cache::Cache;
use super::loads::Loads;
use super::tier::Tier;
use crate::model::{
    Draft, Entry, EntryRef, Meta, Outcome, Owner, Result, SaveId, SessionKey, StoreKey, Version,
    after,
};
use crate::store::{AnyStore, Store, packed};

/// Two tiers: a fast cache that keeps each entry for a short time, and an origin that keeps every
/// entry.
///
/// Reads use the cache if it has the entry. Writes go to the origin, which compares versions, so no
/// write builds on a stale read. The guarantees are those of the origin.
///
/// Requests that load the same uncached entry at the same time share one load.
///
/// An entry that comes from the cache may be as old as the [`ttl`](Self::ttl): this server sees
/// saves and logouts on another server within that time, and its own saves and logouts immediately.
///
/// **If the cache fails**, requests ask the origin instead: the handler or commit that called the
/// cache does so until it ends, and all other requests do so for a second. This server sees its own
/// saves and logouts immediately, even if the cache did not acknowledge them; other servers see
/// them within the `ttl`. Ending all sessions of a user returns an error in this case, although the
/// sessions have ended in the origin. Repeat the call to remove the copies. **If the origin
/// fails**, requests that only read still succeed if the cache has the entry.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{CachedBackend, Sessions};
///
/// # let database = MemoryStore::new();
/// let cache = MemoryStore::new().max_bytes(64 << 20);
/// let backend = CachedBackend::new(cache, database)?.ttl(Duration::from_secs(5));
/// assert!(Sessions::new(backend).guarantees().compares);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct CachedBackend {
    pub(super) cache: Cache,
    pub(super) origin: Tier,
    loads: Loads,
    pub(super) ttl: Duration,
}

impl CachedBackend {
    pub(super) fn of(cache: AnyStore, origin: Tier) -> Self {
        Self {
            cache: Cache::new(cache),
            origin,
            loads: Loads::default(),
            ttl: DEFAULT_TTL,
        }
    }

    /// Sets how long the cache keeps an entry, and so how long a change that another server made
    /// can stay unseen here.
    ///
    /// Defaults to 10 seconds: long enough to serve all requests of one page, short enough that few
    /// visitors see old data. The price of a longer time: a logout on another server stays unseen
    /// here for longer. If servers with different clocks share a cache, the difference of their
    /// clocks is added to that time in the worst case.
    ///
    /// The `ttl` must not be zero, and must be shorter than the session's
    /// [`max_age`](crate::SessionsBuilder::max_age) and
    /// [`max_lifetime`](crate::SessionsBuilder::max_lifetime), or building the sessions fails. If a
    /// session ends before the `ttl` is over, its cached entry is used only until the session ends.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cloakroom::{Backend, CachedBackend, store::MemoryStore};
    ///
    /// # let (cache, database) = (MemoryStore::new(), MemoryStore::new());
    /// let backend = CachedBackend::new(cache, database)?.ttl(Duration::from_secs(5));
    /// assert!(format!("{backend:?}").contains("ttl: 5s"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    pub(super) async fn load(&self, key: &StoreKey, now: SystemTime) -> Result<Option<Entry>> {
        if self.cache.undropped().contains(key, now) {
            return self.origin.load(key).await;
        }
        let found = self.read_cache(key).await;
        if let Some((cache, Cached::Entry(entry))) = &found
            && cache.meta.expires > now
            // If the clock of another server is ahead, that server writes later expiries. This
            // server would use such a cached entry for longer than the `ttl`.
            && cache.meta.expires <= after(now, self.ttl)
        {
            return Ok(Some(entry.clone()));
        }
        let load = || {
            let (tiers, key) = (self.clone(), key.clone());
            async move { tiers.load_and_fill(&key, found, now).await }
        };
        self.loads.join(&self.origin, key, load).await
    }

    /// Loads the entry from the origin and writes it to the cache, which had `found`.
    async fn load_and_fill(
        &self,
        key: &StoreKey,
        found: Option<(Entry, Cached)>,
        now: SystemTime,
    ) -> Result<Option<Entry>> {
        let entry = self.origin.load(key).await?;
        let Some(loaded) = entry.as_ref().filter(|entry| entry.meta.expires > now) else {
            // To a server whose clock is behind, the unusable copy could seem valid later.
            if let Some((_, Cached::Entry(_))) = found {
                self.invalidate(key, now).await?;
            }
            return Ok(entry);
        };
        // A late fill must not overwrite a newer entry, so it only creates an entry or replaces the
        // unusable one that was found.
        let fill = self.cache_draft(&Cached::Entry(loaded.clone()), now, self.ttl)?;
        match found {
            None => {
                let create = self.cache.store.create(key, &fill);
                self.cache.ask("filling", create).await
            }
            Some((cache, Cached::AskOrigin)) if cache.meta.expires > now => None,
            Some((cache, _)) => {
                let save = self.cache.store.save(key, &cache.version, &fill);
                self.cache.ask("filling", save).await
            }
        };
        Ok(entry)
    }

    pub(super) async fn create(&self, draft: &Draft) -> Result<EntryRef> {
        let written = self.origin.create(draft).await?;
        let entry = written_entry(draft, &written.version);
        self.cache_write(&written.store_key, None, entry).await?;
        Ok(written)
    }

    pub(super) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<EntryRef>> {
        let saved = self.origin.save(at, new).await;
        self.loads.forget(&at.store_key);
        match &saved {
            Ok(Some(written)) => {
                let entry = written_entry(new, &written.version);
                self.cache_write(&at.store_key, Some(&at.version), entry)
                    .await?;
            }
            // Another write came first, or the outcome is unknown, so the cached entry may be old.
            _ => {
                self.invalidate(&at.store_key, new.meta.touched).await?;
            }
        }
        saved
    }

    pub(super) async fn rename(
        &self,
        from: &EntryRef,
        new: &Draft,
        lost: &mut Vec<(SessionKey, StoreKey)>,
    ) -> Result<Option<EntryRef>> {
        let now = new.meta.touched;
        let renamed = self.origin.rename(from, new, lost).await;
        self.loads.forget(&from.store_key);
        match &renamed {
            Ok(Some(written)) => {
                self.invalidate(&from.store_key, now).await?;
                let entry = written_entry(new, &written.version);
                self.cache_write(&written.store_key, None, entry).await?;
            }
            _ => {
                self.invalidate(&from.store_key, now).await?;
            }
        }
        renamed
    }

    pub(super) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<EntryRef>> {
        let touched = self.origin.touch(at, meta).await;
        self.loads.forget(&at.store_key);
        let entry = match (&touched, self.read_cache(&at.store_key).await) {
            (Ok(Some(_)), Some((_, Cached::Entry(old)))) if old.version == at.version => {
                Entry::new(old.data, meta.clone(), old.version)
            }
            _ => {
                self.invalidate(&at.store_key, meta.touched).await?;
                return touched;
            }
        };
        self.cache_write(&at.store_key, Some(&at.version), entry)
            .await?;
        touched
    }

    pub(super) async fn delete(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        let deleted = self.origin.delete(key).await;
        self.loads.forget(key);
        self.invalidate(key, now).await?;
        deleted
    }

    /// Writes to the cache what the origin has acknowledged, if the cache has the version that the
    /// write replaced, or has nothing at this key. In every other case, a different write may have
    /// come before or after this one, so the cached entry is invalidated.
    async fn cache_write(
        &self,
        key: &StoreKey,
        replaced: Option<&Version>,
        entry: Entry,
    ) -> Result<()> {
        let now = entry.meta.touched;
        let draft = self.cache_draft(&Cached::Entry(entry), now, self.ttl)?;
        let outcome = match self.read_cache(key).await {
            None => {
                let create = self.cache.store.create(key, &draft);
                self.cache.ask("updating", create).await
            }
            Some((cache, Cached::Entry(old))) if Some(&old.version) == replaced => {
                let save = self.cache.store.save(key, &cache.version, &draft);
                self.cache.ask("updating", save).await
            }
            Some(_) => None,
        };
        match outcome {
            Some(Outcome::Written(_)) => {
                self.cache.undropped().remove(key);
                Ok(())
            }
            // No other request knows a fresh key, so the cache can have nothing outdated there.
            _ if replaced.is_none() => Ok(()),
            _ => self.invalidate(key, now).await.map(drop),
        }
    }

    /// Replaces the cached entry with a mark, so that the origin is asked from now on.
    ///
    /// The mark outlasts every load of the origin that is under way, so no such load can replace
    /// the mark with an old entry.
    ///
    /// If the cache does not acknowledge the mark, this process does not use the cache for `key`
    /// until every copy has expired. Returns whether the cache acknowledged it.
    pub(super) async fn invalidate(&self, key: &StoreKey, now: SystemTime) -> Result<bool> {
        self.loads.forget(key);
        let draft = self.cache_draft(&Cached::AskOrigin, now, 2 * self.origin.timeout)?;
        for _ in 0..INVALIDATE_TRIES {
            let outcome = match self.read_cache(key).await {
                Some((cache, _)) => {
                    let save = self.cache.store.save(key, &cache.version, &draft);
                    self.cache.ask("updating", save).await
                }
                None => {
                    let create = self.cache.store.create(key, &draft);
                    self.cache.ask("updating", create).await
                }
            };
            match outcome {
                Some(Outcome::Written(_)) => {
                    self.cache.undropped().remove(key);
                    return Ok(true);
                }
                Some(Outcome::Stale) => {}
                None => break,
            }
        }
        // If there is no copy, other processes ask the origin.
        let dropped = self.cache.drop_copy(key, now).await;
        self.distrust(key, None, now);
        Ok(dropped)
    }

    /// Stops using the cache for `key` until every copy has expired. `owner` is given if the
    /// sessions of this owner are being ended.
    pub(super) fn distrust(&self, key: &StoreKey, owner: Option<&Owner>, now: SystemTime) {
        // A load that is under way may still fill the cache with an old entry.
        let until = after(now, self.ttl + 2 * self.origin.timeout);
        self.cache.undropped().add(key, owner, now, Some(until));
    }

    async fn read_cache(&self, key: &StoreKey) -> Option<(Entry, Cached)> {
        let load = self.cache.store.load(key);
        let cache = self.cache.ask("reading", load).await??;
        let cached = Cached::decode(cache.data.clone());
        Some((cache, cached))
    }

    fn cache_draft(&self, cached: &Cached, now: SystemTime, lasts: Duration) -> Result<Draft> {
        // A cached entry is used at most until its session expires. Then the origin is asked, since
        // another server may have extended the session.
        let ends = match cached {
            Cached::Entry(entry) => entry.meta.expires.min(after(now, lasts)),
            Cached::AskOrigin => after(now, lasts),
        };
        Ok(Draft::new(
            cached.encode(),
            Meta::new(now, now, ends),
            SaveId::random()?,
        ))
    }
}

impl fmt::Debug for CachedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedBackend")
            .field("cache", &self.cache.store)
            .field("origin", &self.origin.store)
            .field("ttl", &self.ttl)
            .finish()
    }
}

/// Returns the entry that the origin has after it wrote `draft` with this version.
fn written_entry(draft: &Draft, version: &Version) -> Entry {
    Entry::new(draft.data.clone(), draft.meta.clone(), version.clone())
}

/// The content of the cache for one entry of the origin.
enum Cached {
    /// The entry.
    Entry(Entry),
    /// A mark: ask the origin, and do not cache an answer that is already under way.
    AskOrigin,
}

impl Cached {
    fn encode(&self) -> Bytes {
        let entry = match self {
            Self::Entry(entry) => encode_entry(entry),
            Self::AskOrigin => None,
        };
        entry.unwrap_or_else(|| vec![ASK_ORIGIN]).into()
    }

    /// Decodes what [`encode`](Self::encode) wrote. Anything else reads as
    /// [`AskOrigin`](Self::AskOrigin).
    fn decode(mut data: Bytes) -> Self {
        match data.try_get_u8() {
            Ok(ENTRY) => decode_entry(data).map_or(Self::AskOrigin, Self::Entry),
            _ => Self::AskOrigin,
        }
    }
}

fn decode_entry(mut data: Bytes) -> Option<Entry> {
    let len = data.try_get_u32().ok()?;
    if len == u32::MAX {
        return packed::read(data).map(Entry::from);
    }
    let len = usize::try_from(len).ok()?;
    let bytes = (len <= data.len()).then(|| data.split_to(len))?;
    let Draft { data, meta, .. } = packed::read(data)?;
    Some(Entry::new(data, meta, Version::from_bytes(bytes)))
}

/// Encodes an entry: the byte [`ENTRY`]; the length of the version in four bytes and the version,
/// or four bytes of ones if the version is a save id; and the packed entry.
fn encode_entry(entry: &Entry) -> Option<Vec<u8>> {
    let mut data = vec![ENTRY];
    match entry.version.as_bytes() {
        Some(bytes) => {
            let len = u32::try_from(bytes.len()).ok();
            data.put_u32(len.filter(|len| *len != u32::MAX)?);
            data.put_slice(bytes);
        }
        None => data.put_u32(u32::MAX),
    }
    let draft = Draft::new(
        entry.data.clone(),
        entry.meta.clone(),
        entry.version.save_id().unwrap_or(SaveId::new(0)),
    );
    packed::put(&mut data, &draft).ok()?;
    Some(data)
}

/// The first byte of a cached entry. It was `1` before entries were encoded by [`packed`].
const ENTRY: u8 = 3;

/// The only byte of a mark, [`Cached::AskOrigin`].
const ASK_ORIGIN: u8 = 2;

/// Long enough to serve all requests of one page, short enough that few visitors see old data.
const DEFAULT_TTL: Duration = Duration::from_secs(10);

/// How many times writing the mark is tried before the cached entry is deleted instead.
const INVALIDATE_TRIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn a_cached_entry_keeps_its_version() {
        for version in [
            Version::from(SaveId::new(7)),
            Version::from_bytes(Bytes::from_static(b"seven")),
            Version::from_bytes(Bytes::new()),
        ] {
            let entry = Entry::new(Bytes::from_static(b"{}"), meta(), version);

            let Cached::Entry(read) = Cached::decode(Cached::Entry(entry.clone()).encode()) else {
                panic!("it is an entry");
            };

            assert_eq!((read.data, read.meta), (entry.data, entry.meta));
            assert!(read.version == entry.version);
        }
        let mark = Cached::decode(Cached::AskOrigin.encode());
        assert!(matches!(mark, Cached::AskOrigin));
    }

    #[test]
    fn cached_entries_in_the_layout_of_earlier_releases_are_ignored() {
        // The first byte, the length that means "a save id", the save id, the three points in time,
        // no owner, no label, and the data.
        let head = [&[1][..], &[0xff; 4], &[0; 8], &[0; 24], &[0, 0]].concat();
        for data in [&b""[..], &[0; 100], &[0xff; 100]] {
            let old = [&head, data].concat();
            assert!(matches!(Cached::decode(old.into()), Cached::AskOrigin));
        }
    }

    fn meta() -> Meta {
        Meta::new(from_millis(1), from_millis(2), from_millis(3))
            .with_owner(Some("ada".into()))
            .with_label(Some("phone".into()))
    }
}
