use std::time::Duration;

use super::core::Core;
use super::edits::Edits;
use super::plan::{Commit, Committed, CookieUpdate, Plan, Write, interrupted};
use super::queue::CommitTurn;
use super::session_limit::SessionLimit;
use crate::backend::Loaded;
use crate::model::{
    EntryRef, Error, ErrorKind, Meta, Record, Result, SavedEntry, SessionKey, StoreKey, Tombstone,
    Version,
};

impl Commit {
    /// Deletes the entries that a flush discarded or that a new session replaces. Returns whether
    /// there were any.
    pub(crate) async fn end(&self, core: &Core) -> Result<bool> {
        for ended in &self.ended {
            Box::pin(core.end(&ended.entry, &ended.meta)).await?;
            tracing::debug!(session = %core.backend.tag(&ended.entry.store_key), "session ended");
        }
        Ok(!self.ended.is_empty())
    }

    /// Does what [`run`](Self::run) does, and limits the number of sessions of a user who logs in.
    pub(crate) async fn run_within(
        self,
        core: &Core,
        limit: SessionLimit,
    ) -> Result<Option<Committed>> {
        let Some(owner) = self.edits.last_login().cloned() else {
            return self.run(core).await;
        };
        let own = match &self.plan {
            Ok(Plan::Save(base, _) | Plan::Rename(base, _)) => Some(&base.entry.store_key),
            _ => None,
        };
        limit.check(core, &owner, own).await?;
        let committed = self.run(core).await?;
        if let Some(Committed {
            base: Some(base), ..
        }) = &committed
            && let Err(error) = limit.enforce(core, &owner, &base.entry.store_key).await
        {
            // The login is saved, so it must not fail. The next login ends the excess sessions.
            let error = format!("{error:#}");
            tracing::warn!(error, "a user has more sessions than allowed");
        }
        Ok(committed)
    }

    /// Carries out the plan. Returns the result, or `None` if nothing has changed.
    pub(crate) async fn run(self, core: &Core) -> Result<Option<Committed>> {
        let (base, write, renames) = match self.plan? {
            Plan::Nothing => return Ok(None),
            Plan::Save(base, write) => (base, write, false),
            Plan::Rename(base, write) => (base, write, true),
            Plan::Create(write) => return create(core, &write).await.map(Some),
            Plan::Touch(base, meta) => return Ok(touch(core, base, meta).await),
            Plan::Confirm(base, meta) => {
                let cookie = CookieUpdate::None;
                let touched = touch(core, base, meta).await;
                return Ok(touched.map(|touched| Committed { cookie, ..touched }));
            }
            Plan::LogIn(tombstone) => {
                return Box::pin(log_in(core, &self.edits, Some(&tombstone)))
                    .await
                    .map(Some);
            }
            Plan::End(base) => return Box::pin(end(core, &base)).await.map(Some),
        };
        let race = Race {
            core,
            base,
            edits: self.edits,
            write,
            renames,
            replayed: None,
            moved_to: Vec::new(),
        };
        race.run().await.map(Some)
    }
}

/// Extends a session. If that fails, the response is still sent, and the session keeps its earlier
/// expiry.
async fn touch(core: &Core, base: SavedEntry, meta: Meta) -> Option<Committed> {
    let touched = core.backend.touch(&base.entry, &meta).await;
    let touched = touched.inspect_err(|error| {
        tracing::warn!(
            session = %core.backend.tag(&base.entry.store_key),
            error = format!("{error:#}"),
            "touching a session failed"
        );
    });
    let entry = touched.ok()??;
    Some(Committed::saved(SavedEntry {
        entry,
        cookie_expires: base.cookie_expires.map(|_| meta.expires),
        meta,
    }))
}

async fn create(core: &Core, write: &Write) -> Result<Committed> {
    let entry = core.backend.create(&write.draft).await?;
    tracing::debug!(session = %core.backend.tag(&entry.store_key), "session created");
    Ok(Committed::saved(write.saved(entry)))
}

/// Creates a session for a login that no longer finds a session at its key. Every other commit
/// fails in this case, because the session may have been logged out, and a logout is final. A login
/// does not fail, because its user has just been authenticated.
///
/// If `tombstone` shows that the same user has just logged in with the same key, the new session
/// gets a copy of the items of the other login's session. Each of the two responses sets a cookie,
/// and the browser keeps the one that arrives last. Both cookies open a session with these items.
async fn log_in(core: &Core, edits: &Edits, tombstone: Option<&Tombstone>) -> Result<Committed> {
    let now = core.now();
    let mut record = Record::blank(now);
    if let Some(tombstone) = tombstone
        && let Some(successor) = core.successor(tombstone).await?
    {
        // If this login is of another user, its replay below removes the copied data. So an
        // attacker who knows the old key, but cannot log in as the owner, gets no items.
        record.data = successor.data;
        record.meta.owner = successor.meta.owner;
    }
    edits.replay(&mut record, core.backend.format())?;
    let Some(write) = Write::of(&record, core, now)? else {
        return Err(interrupted());
    };
    Ok(Committed {
        replayed: Some(Box::new(record)),
        ..create(core, &write).await?
    })
}

async fn end(core: &Core, base: &SavedEntry) -> Result<Committed> {
    core.end(&base.entry, &base.meta).await?;
    Ok(Committed::ended())
}

/// Replaces an entry while other requests may do the same. It tries a compare-and-swap; after a
/// conflict it reloads the record, replays the edits and tries again.
struct Race<'a> {
    core: &'a Core,
    base: SavedEntry,
    edits: Edits,
    write: Write,
    renames: bool,
    /// The reloaded record with the edits applied, after a conflict.
    replayed: Option<Box<Record>>,
    /// The keys to which renames with lost answers may have moved the entry.
    moved_to: Vec<(SessionKey, StoreKey)>,
}

impl Race<'_> {
    async fn run(mut self) -> Result<Committed> {
        // The entry may still be there, but a session that expired during the request is treated
        // like one that was logged out.
        if self.base.meta.expires <= self.core.now() {
            return Box::pin(self.gone(None, None)).await;
        }
        // Join the line if there is one: if this commit went ahead, the commits in the line would
        // lose to it.
        let turn = self.core.queue.join(&self.base.entry.store_key).await?;
        match self.try_once().await {
            Ok(Some(saved)) => Ok(self.won(saved)),
            first => Box::pin(self.go_on(turn, first)).await,
        }
    }

    /// Tries one compare-and-swap. Returns the written entry, or `None` if the entry in the store
    /// has changed or is gone.
    async fn try_once(&mut self) -> Result<Option<SavedEntry>> {
        let (backend, draft) = (&self.core.backend, &self.write.draft);
        let entry = match self.renames {
            true => Box::pin(backend.rename(&self.base.entry, draft, &mut self.moved_to)).await?,
            false => backend.save(&self.base.entry, draft).await?,
        };
        Ok(entry.map(|entry| self.write.saved(entry)))
    }

    /// Continues after the first try did not succeed, and deletes the entries that renames with
    /// lost answers left behind.
    async fn go_on(
        mut self,
        mut turn: Option<CommitTurn>,
        first: Result<Option<SavedEntry>>,
    ) -> Result<Committed> {
        let outcome = self.compare_and_swap(&mut turn, first).await;
        if let (Err(error), Some(turn)) = (&outcome, &mut turn)
            && error.kind() == ErrorKind::Timeout
        {
            turn.fail(error);
        }
        let won = outcome.as_ref().ok().and_then(|done| done.base.as_ref());
        self.remove_orphans(won);
        outcome
    }

    async fn compare_and_swap(
        &mut self,
        turn: &mut Option<CommitTurn>,
        first: Result<Option<SavedEntry>>,
    ) -> Result<Committed> {
        let mut first = Some(first);
        let mut lost_answer = None;
        for attempt in 0..COMMIT_TRIES {
            let outcome = match first.take() {
                Some(first) => first,
                None => self.try_once().await,
            };
            match outcome {
                Ok(Some(saved)) => return Ok(self.won(saved)),
                Ok(None) => {}
                Err(error) if error.kind().may_have_happened() && lost_answer.is_none() => {
                    lost_answer = Some(error);
                }
                Err(error) => return Err(error),
            }
            let store_key = &self.base.entry.store_key;
            if turn.is_none() {
                *turn = Some(self.core.queue.take(store_key).await?);
            }
            pause(attempt).await;
            match (self.core.reload(store_key).await?, &lost_answer) {
                // The entry is unchanged, so the call whose answer was lost has not happened yet.
                // The same draft can be sent again: only one of the two calls can succeed.
                (Loaded::Session((_, version)), Some(_))
                    if version.tells_saves_apart()
                        && version.of_entry() == self.base.entry.version.of_entry() =>
                {
                    self.base.entry.version = version;
                }
                // The entry has the version of this draft, so the call has happened and only its
                // answer was lost.
                (Loaded::Session((_, version)), _) if self.is_ours(&version) => {
                    let entry = self.base.entry.at_version(version);
                    return Ok(self.won(self.write.saved(entry)));
                }
                // Another save came after the lost call or instead of it. If the lost call has
                // happened, a replay would apply the edits twice. A lost rename has certainly not
                // happened: it would have left no session at this key.
                (Loaded::Session(_), Some(lost)) if !self.renames => return Err(lost.clone()),
                (Loaded::Session((fresh, version)), _) => {
                    if !self.replay(fresh, version)? {
                        return end(self.core, &self.base).await;
                    }
                }
                (Loaded::Moved(tombstone, _), lost) => {
                    return self.gone(Some(&tombstone), lost.as_ref()).await;
                }
                (Loaded::Nothing, lost) => return self.gone(None, lost.as_ref()).await,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "saving a session: other requests saved it first, {COMMIT_TRIES} times in a row; \
                 try again"
            ),
        ))
    }

    /// Applies the edits to the record that another request saved. Returns `false` if the edits
    /// make the session expire.
    fn replay(&mut self, mut fresh: Record, version: Version) -> Result<bool> {
        self.base.entry.version = version;
        self.edits.replay(&mut fresh, self.core.backend.format())?;
        let Some(write) = Write::of(&fresh, self.core, self.core.now())? else {
            return Ok(false);
        };
        self.write = write;
        self.replayed = Some(Box::new(fresh));
        Ok(true)
    }

    /// Decides what to do if the entry is gone: a rename whose answer was lost may have moved it,
    /// and a login gets a new session. Anything else is an error.
    async fn gone(
        &mut self,
        tombstone: Option<&Tombstone>,
        lost: Option<&Error>,
    ) -> Result<Committed> {
        if let Some(saved) = self.renamed().await? {
            return Ok(self.won(saved));
        }
        // If the store uses the data as the version, equal data at the new key does not prove that
        // this rename wrote it. So a session that has moved cannot be told from one that was logged
        // out.
        if let Some(lost) = lost
            && self.renames
            && !self.base.entry.version.tells_saves_apart()
        {
            return Err(lost.clone());
        }
        match self.edits.log_in() {
            true => log_in(self.core, &self.edits, tombstone).await,
            false => Err(interrupted()),
        }
    }

    /// Returns the entry if a rename whose answer was lost has moved it.
    async fn renamed(&self) -> Result<Option<SavedEntry>> {
        // A store that renames in one step writes the draft at the new key. The provided `rename`
        // of the trait first creates a copy at the new key. The copy has another version, which
        // proves nothing. Then `rename` replaces the old entry by one with the version of the
        // draft. If that version is at the old key, the session has moved.
        for (key, to) in &self.moved_to {
            let Loaded::Session((_, version)) = self.core.reload(to).await? else {
                continue;
            };
            let old = &self.base.entry.store_key;
            let old = self.core.backend.version(old).await?;
            let is_retired = old.is_some_and(|version| self.is_ours(&version));
            if self.is_ours(&version) || is_retired {
                let entry = EntryRef::new(key.clone(), to.clone(), version);
                return Ok(Some(self.write.saved(entry)));
            }
        }
        Ok(None)
    }

    /// Deletes, in the background, the orphans that renames with lost answers may have left:
    /// entries under keys that no browser received. Otherwise the owner's list would show them.
    fn remove_orphans(&self, won: Option<&SavedEntry>) {
        for (_, orphan) in &self.moved_to {
            if won.is_none_or(|saved| saved.entry.store_key != *orphan) {
                self.core.backend.delete_later(orphan);
            }
        }
    }

    /// Returns whether this commit wrote the entry with this version.
    fn is_ours(&self, version: &Version) -> bool {
        version.of_entry() == Some(&self.write.draft.version())
    }

    fn won(&mut self, saved: SavedEntry) -> Committed {
        if self.renames {
            tracing::debug!(
                from = %self.core.backend.tag(&self.base.entry.store_key),
                session = %self.core.backend.tag(&saved.entry.store_key),
                "session moved to a new key"
            );
        }
        Committed {
            replayed: self.replayed.take(),
            ..Committed::saved(saved)
        }
    }
}

/// Pauses to let other processes finish. The first tries need no pause, since the queue orders the
/// commits of this process.
async fn pause(attempt: u32) {
    if attempt < 2 {
        return;
    }
    let limit = 1 << attempt.min(MAX_PAUSE_LOG2);
    let millis = getrandom::u32().map_or(limit, |random| random % limit);
    tokio::time::sleep(Duration::from_millis(millis.into())).await;
}

/// How many times one commit is tried before it fails. In this process, the queue lets every commit
/// succeed at its first or second try, so only other processes can use up the tries.
const COMMIT_TRIES: u32 = 64;

/// Pauses between tries are random and shorter than 2^5 = 32 ms.
const MAX_PAUSE_LOG2: u32 = 5;
