use std::fmt;
use std::time::{Duration, SystemTime};

use super::cache::tell;
use super::decode::unpack;
use super::store::Stored;
use super::written::Written;
use crate::format::{Facts, Format, Rules};
use crate::model::{
    Contents, Draft, Entry, Held, Key, Lookup, Meta, Outcome, Owned, Owner, Place, Result, Tag,
    Version, after,
};
use crate::store::{Guarantees, Store};

/// Two tiers that others read and write as well: a back, whose entries count, and a front with a copy of each in a
/// format of its own. Django's engine cached_db is such a pair.
///
/// [`Cached`](crate::Cached) is the better pair where nobody else looks: its front is believed for seconds only. Here a
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
/// use cloakroom::format::Own;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Mirrored, Sessions, Shelf};
///
/// # let (cache, database) = (MemoryStore::new(), MemoryStore::new());
/// let front = Shelf::new(cache, Own::new());
/// let sessions = Sessions::new(Mirrored::new(front, database)?);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct Mirrored {
    front: Stored,
    back: Stored,
}

impl Mirrored {
    pub(super) fn of(front: Stored, back: Stored) -> Self {
        Self { front, back }
    }

    pub(super) fn guarantees(&self) -> Guarantees {
        self.back.store.guarantees()
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.front.timeout = timeout;
        self.back.timeout = timeout;
    }

    pub(super) fn format(&self) -> &dyn Format {
        &*self.back.format
    }

    /// The back's rules; but of the facts only those that a copy has, too.
    pub(super) fn rules(&self, back: Rules) -> Rules {
        let facts = match self.front.format.rules().facts {
            Facts::All => back.facts,
            fewer => fewer,
        };
        Rules { facts, ..back }
    }

    pub(super) async fn load(
        &self,
        at: &Lookup,
        now: SystemTime,
    ) -> Result<Option<(Held, Version)>> {
        let front = tell("asking", self.front.store.load(at)).await;
        if let Some(Some(copy)) = &front
            && let Some(held) = self.read_copy(copy)
            && held.meta.expires > now
        {
            return Ok(Some((
                held,
                Version::of_tiers(Some(copy.version.clone()), None),
            )));
        }
        let loaded = self.back.load(at).await;
        let Some((held, entry)) = unpack(self.format(), at, loaded)? else {
            return Ok(None);
        };
        let copy = match front {
            Some(Some(unreadable)) => Some(unreadable.version),
            Some(None) if held.meta.expires > after(now, A_SECOND) => {
                self.fill(at, &held, &entry, now).await
            }
            Some(None) | None => None,
        };
        Ok(Some((held, Version::of_tiers(copy, Some(entry)))))
    }

    /// What the back has, with the version of the copy that was there before it was asked: if that is still there after
    /// a write, nobody has touched it in between.
    pub(super) async fn reload(&self, at: &Lookup) -> Result<Option<(Held, Version)>> {
        let front = tell("asking", self.front.store.load(at)).await.flatten();
        let loaded = self.back.load(at).await;
        let found = unpack(self.format(), at, loaded)?;
        Ok(found.map(|(held, entry)| {
            let copy = front.map(|copy| copy.version);
            (held, Version::of_tiers(copy, Some(entry)))
        }))
    }

    pub(super) async fn create(&self, draft: &Draft) -> Result<Written> {
        let written = self.back.create(draft).await?;
        Ok(self.with_first_copy(written, draft).await)
    }

    pub(super) async fn save(&self, at: &Place, new: &Draft) -> Result<Option<Written>> {
        let (copy, Some(entry)) = at.version.tiers() else {
            return Ok(None);
        };
        match self.back.save(&in_back(at, entry), new).await {
            Ok(Some(written)) => {
                let copy = self.correct(&at.lookup, copy, &written.version, new).await;
                Ok(Some(in_both(written, copy)))
            }
            // Whoever came first sees to the copy.
            Ok(None) => Ok(None),
            Err(error) => {
                self.forget(&at.lookup).await;
                Err(error)
            }
        }
    }

    pub(super) async fn rename(
        &self,
        from: &Place,
        new: &Draft,
        lost: &mut Vec<(Key, Lookup)>,
    ) -> Result<Option<Written>> {
        let (_, Some(entry)) = from.version.tiers() else {
            return Ok(None);
        };
        // Before, since afterwards it would be too late to say that it cannot be done; and after, since somebody may
        // have read in between.
        self.front.delete(&from.lookup).await?;
        let renamed = self.back.rename(&in_back(from, entry), new, lost).await;
        self.forget(&from.lookup).await;
        match renamed? {
            Some(written) => Ok(Some(self.with_first_copy(written, new).await)),
            None => Ok(None),
        }
    }

    pub(super) async fn touch(&self, at: &Place, meta: &Meta) -> Result<Option<Written>> {
        let (copy, entry) = at.version.tiers();
        let entry = match entry {
            Some(entry) => entry.clone(),
            None => match self.back.load(&at.lookup).await? {
                Some(entry) if entry.meta.expires > meta.touched => entry.version,
                _ => return Ok(None),
            },
        };
        let Some(touched) = self.back.touch(&in_back(at, &entry), meta).await? else {
            return Ok(None);
        };
        // A copy that is not touched is forgotten a little early, and no harm is done.
        let copy = match copy {
            Some(copy) => {
                let touch = self.front.store.touch(&at.lookup, copy, meta);
                tell("touching", touch).await.and_then(written)
            }
            None => None,
        };
        Ok(Some(in_both(touched, copy)))
    }

    pub(super) async fn delete(&self, at: &Lookup) -> Result<()> {
        let deleted = self.back.delete(at).await;
        let forgotten = self.front.delete(at).await;
        deleted.and(forgotten)
    }

    pub(super) async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        tell("sweeping", self.front.store.sweep(now, limit)).await;
        self.back.sweep(now, limit).await
    }

    pub(super) async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>> {
        self.back.owned_by(owner).await
    }

    pub(super) async fn find(&self, tag: &Tag) -> Result<Option<Lookup>> {
        self.back.find(tag).await
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.back.ping().await
    }

    /// What a copy says; one that cannot be read says nothing, and the back is asked.
    fn read_copy(&self, copy: &Entry) -> Option<Held> {
        let contents = self.front.format.decode(&copy.data).ok()?;
        let mut meta = copy.meta.clone();
        self.front.format.complete(&copy.data, &contents, &mut meta);
        Some(Held { contents, meta })
    }

    /// Leaves a copy where there was none, on a task of its own: whoever asked may go away before the second look.
    async fn fill(
        &self,
        at: &Lookup,
        held: &Held,
        entry: &Version,
        now: SystemTime,
    ) -> Option<Version> {
        let meta = Meta {
            touched: now,
            ..held.meta.clone()
        };
        let for_good = self.copy_of(&held.contents, &meta)?;
        let mut for_now = for_good.clone();
        for_now.meta.expires = meta.expires.min(after(now, PROBATION));
        let (tiers, at, entry) = (self.clone(), at.clone(), entry.clone());
        let filling = async move {
            let front = &tiers.front.store;
            let Some(filled) = tell("filling", front.create(&at, &for_now)).await else {
                // It may be there nevertheless.
                tiers.forget(&at).await;
                return None;
            };
            let copy = tiers.confirm(&at, written(filled)?, &entry).await?;
            let kept = front.touch(&at, &copy, &for_good.meta);
            tell("filling", kept).await.and_then(written)
        };
        tokio::spawn(filling).await.ok().flatten()
    }

    /// Makes the copy what was just written to the back, if it is what was there before; else there is none afterwards.
    async fn correct(
        &self,
        at: &Lookup,
        seen: Option<&Version>,
        entry: &Version,
        new: &Draft,
    ) -> Option<Version> {
        let outcome = match (self.copy_of_draft(new), seen) {
            (Some(copy), Some(seen)) => {
                let save = self.front.store.save(at, seen, &copy);
                tell("correcting", save).await
            }
            (Some(copy), None) => tell("correcting", self.front.store.create(at, &copy)).await,
            (None, _) => None,
        };
        match outcome.and_then(written) {
            // The front may compare bytes, and they may have been others and the same again in between.
            Some(copy) => self.confirm(at, copy, entry).await,
            None => {
                self.forget(at).await;
                None
            }
        }
    }

    /// Takes the copy back if the entry is not what it is a copy of any more.
    async fn confirm(&self, at: &Lookup, copy: Version, entry: &Version) -> Option<Version> {
        match self.back.load(at).await {
            Ok(Some(there)) if there.version == *entry => Some(copy),
            _ => {
                self.forget(at).await;
                None
            }
        }
    }

    /// What is not there cannot be wrong.
    async fn forget(&self, at: &Lookup) {
        tell("forgetting", self.front.store.delete(at)).await;
    }

    /// Leaves a copy under a key that nobody knows yet, so nobody can have changed anything meanwhile.
    async fn with_first_copy(&self, in_back: Written, draft: &Draft) -> Written {
        let copy = match self.copy_of_draft(draft) {
            Some(copy) => {
                let create = self.front.store.create(&in_back.lookup, &copy);
                tell("filling", create).await.and_then(written)
            }
            None => None,
        };
        in_both(in_back, copy)
    }

    fn copy_of_draft(&self, draft: &Draft) -> Option<Draft> {
        let contents = self.format().decode(&draft.data).ok()?;
        self.copy_of(&contents, &draft.meta)
    }

    /// `None` if the contents have no form in the front's format: then the back is always asked.
    fn copy_of(&self, contents: &Contents, meta: &Meta) -> Option<Draft> {
        Some(Draft {
            data: self.front.format.encode(contents, meta.touched).ok()?,
            meta: meta.clone(),
            version: Version::random().ok()?,
        })
    }
}

impl fmt::Debug for Mirrored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrored")
            .field("front", &self.front.store)
            .field("back", &self.back.store)
            .finish()
    }
}

/// The place as the back knows it.
fn in_back(at: &Place, entry: &Version) -> Place {
    Place {
        version: entry.clone(),
        ..at.clone()
    }
}

fn in_both(in_back: Written, copy: Option<Version>) -> Written {
    Written {
        version: Version::of_tiers(copy, Some(in_back.version)),
        ..in_back
    }
}

fn written(outcome: Outcome) -> Option<Version> {
    match outcome {
        Outcome::Written(version) => Some(version),
        Outcome::Stale => None,
    }
}

/// How long a copy lasts whose second look is still to come.
const PROBATION: Duration = Duration::from_secs(30);

/// What ends sooner is not worth a copy; and caches count in seconds.
const A_SECOND: Duration = Duration::from_secs(1);
