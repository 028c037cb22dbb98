use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut, Bytes};

use super::cache::ask_cache;
use super::tier::Tier;
use crate::model::{
    Draft, Entry, EntryRef, Meta, Outcome, Result, SaveId, SessionKey, StoreKey, Version, after,
};
use crate::store::{AnyStore, Store, packed};

/// Two tiers: a quick front that remembers for a short while what the back holds.
///
/// Reads are answered by the front, if it remembers; everything is written to the back, which compares. So no write
/// builds on a stale read, and the guarantees are the back's. What the front says may be as old as its
/// [`ttl`](Self::ttl): what another server saved, and a logout made there, are seen within that time. What this server
/// saved or ended is seen at once.
///
/// **If the front fails**, it is passed over: slower, not wrong. What it could not be told in the meantime is as if
/// another server had done it. **If the back fails**, pages that only read go on with what the front remembers.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{CachedBackend, Sessions};
///
/// # let database = MemoryStore::new();
/// let backend = CachedBackend::new(MemoryStore::new().max_bytes(64 << 20), database)?.ttl(Duration::from_secs(5));
/// let sessions = Sessions::new(backend);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct CachedBackend {
    pub(super) cache: AnyStore,
    pub(super) origin: Tier,
    ttl: Duration,
}

impl CachedBackend {
    pub(super) fn of(cache: AnyStore, origin: Tier) -> Self {
        Self {
            cache,
            origin,
            ttl: DEFAULT_TTL,
        }
    }

    /// How long the front remembers, and so how long a change that another server made can stay unseen here.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    pub(super) async fn load(&self, key: &StoreKey, now: SystemTime) -> Result<Option<Entry>> {
        let remembered = self.remembered(key).await;
        if let Some((cache, Memory::Entry(entry))) = &remembered
            && cache.meta.expires > now
        {
            return Ok(Some(entry.clone()));
        }
        let entry = self.origin.load(key).await?;
        let Some(found) = &entry else {
            return Ok(None);
        };
        // A fill that comes late must not cover what was learned meanwhile: it creates, or replaces the very memory
        // that had run out.
        let fill = self.memory(&Memory::Entry(found.clone()), now, self.ttl)?;
        match remembered {
            None => ask_cache("filling", self.cache.create(key, &fill)).await,
            Some((cache, _)) if cache.meta.expires <= now => {
                ask_cache("filling", self.cache.save(key, &cache.version, &fill)).await
            }
            Some(_) => None,
        };
        Ok(entry)
    }

    pub(super) async fn create(&self, draft: &Draft) -> Result<EntryRef> {
        let written = self.origin.create(draft).await?;
        let entry = written_entry(draft, &written.version);
        self.learn(&written.store_key, None, entry).await?;
        Ok(written)
    }

    pub(super) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<EntryRef>> {
        let saved = self.origin.save(at, new).await;
        match &saved {
            Ok(Some(written)) => {
                let entry = written_entry(new, &written.version);
                self.learn(&at.store_key, Some(&at.version), entry).await?;
            }
            // Stale, or nobody knows.
            _ => {
                self.remember_unsure(&at.store_key, new.meta.touched)
                    .await?
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
        match &renamed {
            Ok(Some(written)) => {
                self.remember_unsure(&from.store_key, now).await?;
                let entry = written_entry(new, &written.version);
                self.learn(&written.store_key, None, entry).await?;
            }
            _ => self.remember_unsure(&from.store_key, now).await?,
        }
        renamed
    }

    pub(super) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<EntryRef>> {
        let touched = self.origin.touch(at, meta).await;
        let entry = match (&touched, self.remembered(&at.store_key).await) {
            (Ok(Some(_)), Some((_, Memory::Entry(old)))) if old.version == at.version => {
                Entry::new(old.data, meta.clone(), old.version)
            }
            _ => {
                self.remember_unsure(&at.store_key, meta.touched).await?;
                return touched;
            }
        };
        self.learn(&at.store_key, Some(&at.version), entry).await?;
        touched
    }

    pub(super) async fn delete(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        let deleted = self.origin.delete(key).await;
        self.remember_unsure(key, now).await?;
        deleted
    }

    /// Remembers a write that the back has acknowledged, if what the front has is what the write replaced. If it is
    /// something else, another write came before or after, and nobody here can say which.
    async fn learn(&self, key: &StoreKey, replaced: Option<&Version>, entry: Entry) -> Result<()> {
        let now = entry.meta.touched;
        let memory = self.memory(&Memory::Entry(entry), now, self.ttl)?;
        let outcome = match self.remembered(key).await {
            None => ask_cache("correcting", self.cache.create(key, &memory)).await,
            Some((cache, Memory::Entry(old))) if Some(&old.version) == replaced => {
                ask_cache("correcting", self.cache.save(key, &cache.version, &memory)).await
            }
            Some(_) => None,
        };
        match outcome {
            Some(Outcome::Written(_)) => Ok(()),
            _ => self.remember_unsure(key, now).await,
        }
    }

    /// Sees to it that the back is asked from now on.
    ///
    /// A load of the back that is under way has an end before this is forgotten, so its answer cannot cover it.
    async fn remember_unsure(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        let draft = self.memory(&Memory::Unsure, now, 2 * self.origin.timeout)?;
        for _ in 0..REMEMBER_TRIES {
            let outcome = match self.remembered(key).await {
                Some((cache, _)) => {
                    let saved = self.cache.save(key, &cache.version, &draft);
                    ask_cache("correcting", saved).await
                }
                None => ask_cache("correcting", self.cache.create(key, &draft)).await,
            };
            match outcome {
                Some(Outcome::Written(_)) => return Ok(()),
                Some(Outcome::Stale) => {}
                None => break,
            }
        }
        // The last resort: what is not there cannot be wrong.
        ask_cache("forgetting", self.cache.delete(key)).await;
        Ok(())
    }

    async fn remembered(&self, key: &StoreKey) -> Option<(Entry, Memory)> {
        let cache = ask_cache("asking", self.cache.load(key)).await??;
        let memory = Memory::read(cache.data.clone());
        Some((cache, memory))
    }

    fn memory(&self, memory: &Memory, now: SystemTime, lasts: Duration) -> Result<Draft> {
        Ok(Draft {
            data: memory.written(),
            meta: Meta {
                created: now,
                touched: now,
                expires: after(now, lasts),
                owner: None,
                label: None,
            },
            save_id: SaveId::random()?,
        })
    }
}

impl fmt::Debug for CachedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("cache", &self.cache)
            .field("origin", &self.origin.store)
            .field("ttl", &self.ttl)
            .finish()
    }
}

/// What the origin has once it has written `draft` with this version.
fn written_entry(draft: &Draft, version: &Version) -> Entry {
    Entry::new(draft.data.clone(), draft.meta.clone(), version.clone())
}

/// What the front knows about one entry of the back.
enum Memory {
    /// It is this one.
    Entry(Entry),
    /// Ask the back, and do not keep an answer that is already on its way.
    Unsure,
}

impl Memory {
    fn written(&self) -> Bytes {
        let entry = match self {
            Self::Entry(entry) => written_down(entry),
            Self::Unsure => None,
        };
        entry.unwrap_or_else(|| vec![UNSURE]).into()
    }

    /// What [`written`](Self::written) wrote; something else is nothing to go by.
    fn read(mut data: Bytes) -> Self {
        match data.try_get_u8() {
            Ok(ENTRY) => Self::read_entry(data).map_or(Self::Unsure, Self::Entry),
            _ => Self::Unsure,
        }
    }

    fn read_entry(mut data: Bytes) -> Option<Entry> {
        let len = data.try_get_u32().ok()?;
        if len == u32::MAX {
            return packed::read(data).map(Entry::from);
        }
        let len = usize::try_from(len).ok()?;
        let bytes = (len <= data.len()).then(|| data.split_to(len))?;
        let Draft { data, meta, .. } = packed::read(data)?;
        Some(Entry::new(data, meta, Version::from_bytes(bytes)))
    }
}

/// A mark; the version behind its length in four bytes, or all ones if it is the id of a save;
/// and the entry, packed.
fn written_down(entry: &Entry) -> Option<Vec<u8>> {
    let mut data = vec![ENTRY];
    match entry.version.as_bytes() {
        Some(bytes) => {
            let len = u32::try_from(bytes.len()).ok();
            data.put_u32(len.filter(|len| *len != u32::MAX)?);
            data.put_slice(bytes);
        }
        None => data.put_u32(u32::MAX),
    }
    let draft = Draft {
        data: entry.data.clone(),
        meta: entry.meta.clone(),
        save_id: entry.version.save_id().unwrap_or(SaveId::new(0)),
    };
    packed::put(&mut data, &draft).ok()?;
    Some(data)
}

/// `1` was this mark before entries were packed as [`packed`] has it.
const ENTRY: u8 = 3;
const UNSURE: u8 = 2;

/// Short enough for a visitor not to notice that another server was quicker, long enough to answer a page's requests.
const DEFAULT_TTL: Duration = Duration::from_secs(10);

/// How often a memory gives way to others before it is thrown away.
const REMEMBER_TRIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn an_entry_is_remembered_with_its_version() {
        for version in [
            Version::from(SaveId::new(7)),
            Version::from_bytes(Bytes::from_static(b"seven")),
            Version::from_bytes(Bytes::new()),
        ] {
            let entry = Entry::new(Bytes::from_static(b"{}"), meta(), version);

            let Memory::Entry(read) = Memory::read(Memory::Entry(entry.clone()).written()) else {
                panic!("it is an entry");
            };

            assert_eq!((read.data, read.meta), (entry.data, entry.meta));
            assert!(read.version == entry.version);
        }
        let unsure = Memory::read(Memory::Unsure.written());
        assert!(matches!(unsure, Memory::Unsure));
    }

    #[test]
    fn what_an_older_version_remembered_is_nothing_to_go_by() {
        // The mark, a save id, three times, no owner, no label, the data.
        let head = [&[1][..], &[0xff; 4], &[0; 8], &[0; 24], &[0, 0]].concat();
        for data in [&b""[..], &[0; 100], &[0xff; 100]] {
            let old = [&head, data].concat();
            assert!(matches!(Memory::read(old.into()), Memory::Unsure));
        }
    }

    fn meta() -> Meta {
        Meta {
            created: from_millis(1),
            touched: from_millis(2),
            expires: from_millis(3),
            owner: Some("ada".into()),
            label: Some("phone".into()),
        }
    }
}
