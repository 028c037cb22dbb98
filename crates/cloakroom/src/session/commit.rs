use std::time::Duration;

use super::core::Core;
use super::edits::Edits;
use super::plan::{Change, Commit, Committed, Save, Work};
use crate::backend::Written;
use crate::model::{
    EntryRef, Error, ErrorKind, Meta, Record, Result, SessionKey, StoreKey, Version,
    may_have_happened,
};

impl Commit {
    /// Deletes what a flush ended; says whether there was something.
    pub(crate) async fn end(&self, core: &Core) -> Result<bool> {
        if let Some(place) = &self.ended {
            core.end(&place.store_key, &place.meta).await?;
            tracing::debug!(session = %core.backend.tag(&place.store_key), "session ended");
        }
        Ok(self.ended.is_some())
    }

    /// Does the rest; says what is different then. The caller runs it on a task of its own, so that a browser that
    /// hangs up cannot stop it halfway.
    pub(crate) async fn run(self, core: &Core) -> Result<Option<Committed>> {
        match self.work? {
            Work::Nothing => Ok(None),
            Work::Touch(base, meta) => Ok(touch(core, base, meta).await),
            Work::Create(save) => create(core, &save, None).await.map(Some),
            Work::Save(base, save) => {
                let race = Race::new(core, base, self.edits, save, false);
                race.run().await.map(Some)
            }
            Work::Move(base, save) => {
                let race = Race::new(core, base, self.edits, save, true);
                race.run().await.map(Some)
            }
            Work::End(base) => end(core, &base).await.map(Some),
        }
    }
}

/// Sliding is a courtesy: if it fails, the page still goes out, and the session ends when it would have ended.
async fn touch(core: &Core, base: EntryRef, meta: Meta) -> Option<Committed> {
    let touched = core.backend.touch(&base, &meta).await;
    let touched = touched.inspect_err(|error| {
        tracing::warn!(
            session = %core.backend.tag(&base.store_key),
            error = format!("{error:#}"),
            "touching a session failed"
        );
    });
    let Written {
        key,
        store_key,
        version,
    } = touched.ok()??;
    Some(Committed {
        base: Some(EntryRef {
            key,
            store_key,
            version,
            meta,
            ..base
        }),
        replayed: None,
        change: Change::Saved,
    })
}

async fn create(core: &Core, save: &Save, replayed: Option<Record>) -> Result<Committed> {
    let written = core.backend.create(&save.draft).await?;
    tracing::debug!(session = %core.backend.tag(&written.store_key), "session created");
    Ok(Committed {
        base: Some(save.at(written)),
        replayed,
        change: Change::Saved,
    })
}

async fn end(core: &Core, place: &EntryRef) -> Result<Committed> {
    core.end(&place.store_key, &place.meta).await?;
    Ok(Committed {
        base: None,
        replayed: None,
        change: Change::Ended,
    })
}

/// Replaces an entry while others do the same: compare-and-swap, and after a conflict a fresh state, the edits
/// again, and another try.
struct Race<'a> {
    core: &'a Core,
    base: EntryRef,
    edits: Edits,
    save: Save,
    moves: bool,
    /// What the edits made of the fresh state, after a conflict.
    replayed: Option<Record>,
    /// Where the entry may have been moved by calls whose answers got lost.
    moved_to: Vec<(SessionKey, StoreKey)>,
}

impl<'a> Race<'a> {
    fn new(core: &'a Core, base: EntryRef, edits: Edits, save: Save, moves: bool) -> Self {
        Self {
            core,
            base,
            edits,
            save,
            moves,
            replayed: None,
            moved_to: Vec::new(),
        }
    }

    async fn run(mut self) -> Result<Committed> {
        let outcome = self.compare_and_swap().await;
        // A call whose answer got lost may have left half of a move behind. Nobody knows its key, but it would stand
        // in its owner's list.
        let won = outcome.as_ref().ok().and_then(|done| done.base.as_ref());
        for (_, orphan) in &self.moved_to {
            if won.is_none_or(|place| place.store_key != *orphan)
                && let Err(error) = self.core.backend.delete(orphan, self.core.now()).await
            {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "an orphan stays until it expires"
                );
            }
        }
        outcome
    }

    async fn compare_and_swap(&mut self) -> Result<Committed> {
        // The entry may still be there, but a session that expired under the request is as gone as one that was
        // logged out.
        if self.base.meta.expires <= self.core.now() {
            return self.gone(None).await;
        }
        // Whoever comes while others take turns stands in line; else the line would never get shorter.
        let mut turn = self.core.queue.join(&self.base.store_key).await?;
        let mut lost_answer = None;
        for attempt in 0..COMMIT_TRIES {
            match self.attempt().await {
                Ok(Some(place)) => return Ok(self.won(place)),
                Ok(None) => {}
                Err(error) if may_have_happened(&error) && lost_answer.is_none() => {
                    lost_answer = Some(error);
                }
                Err(error) => return Err(error),
            }
            if turn.is_none() {
                turn = Some(self.core.queue.take(&self.base.store_key).await?);
            }
            pause(attempt).await;
            match (self.core.reload(&self.base.store_key).await?, &lost_answer) {
                // The entry is as we saw it: the call whose answer got lost has not happened. The same draft can
                // be sent again, since only one of the two calls can find this version.
                (Some((_, version)), Some(_))
                    if version.tells_saves_apart()
                        && version.of_entry() == self.base.version.of_entry() =>
                {
                    self.base.version = version;
                }
                // The call has happened, only its answer got lost.
                (Some((_, version)), _)
                    if version.of_entry() == Some(&self.save.draft.version()) =>
                {
                    let written = Written {
                        key: self.base.key.clone(),
                        store_key: self.base.store_key.clone(),
                        version,
                    };
                    return Ok(self.won(self.save.at(written)));
                }
                // Another save is on top, perhaps of ours and perhaps not. Replaying might do the edits twice. Of a
                // move there is no doubt: it would have left nothing here.
                (Some(_), Some(lost)) if !self.moves => return Err(lost.clone()),
                (Some((fresh, version)), _) => {
                    if !self.replay(fresh, version)? {
                        return end(self.core, &self.base).await;
                    }
                }
                (None, lost) => return self.gone(lost.as_ref()).await,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "saving a session: others saved it first, {COMMIT_TRIES} times in a row; try again"
            ),
        ))
    }

    /// One comparison: where the entry is now, or `None` if another came first.
    async fn attempt(&mut self) -> Result<Option<EntryRef>> {
        let (backend, draft) = (&self.core.backend, &self.save.draft);
        let written = match self.moves {
            true => {
                backend
                    .rename(&self.base, draft, &mut self.moved_to)
                    .await?
            }
            false => backend.save(&self.base, draft).await?,
        };
        Ok(written.map(|written| self.save.at(written)))
    }

    /// Runs the edits on what another request saved. `false` if they let the session expire.
    fn replay(&mut self, mut fresh: Record, version: Version) -> Result<bool> {
        self.base.version = version;
        self.edits.replay(&mut fresh, self.core.backend.format())?;
        let Some(save) = Save::of(&fresh, self.core, self.core.now())? else {
            return Ok(false);
        };
        self.save = save;
        self.replayed = Some(fresh);
        Ok(true)
    }

    /// The entry is not there any more; perhaps because of a call whose answer got lost.
    async fn gone(&mut self, lost: Option<&Error>) -> Result<Committed> {
        if let Some(place) = self.moved().await? {
            return Ok(self.won(place));
        }
        // Where the data are the version, nothing tells a session that has moved from one that was logged out.
        if let Some(lost) = lost
            && self.moves
            && !self.base.version.tells_saves_apart()
        {
            return Err(lost.clone());
        }
        // A logout wins over everything that was under way, except over a login, which brought its own proof: it
        // gets a session of its own, with nothing in it from the one that ended.
        if self.edits.log_in() {
            let now = self.core.now();
            let mut record = Record::blank(now);
            self.edits.replay(&mut record, self.core.backend.format())?;
            if let Some(save) = Save::of(&record, self.core, now)? {
                return create(self.core, &save, Some(record)).await;
            }
        }
        Err(interrupted())
    }

    /// Where the entry is, if the call whose answer got lost has moved it.
    async fn moved(&self) -> Result<Option<EntryRef>> {
        // A store that moves in one step has written the draft there. The provided `rename` makes a copy first,
        // which proves nothing, and writes the draft over the old entry, which does.
        let proof = &self.save.draft.version();
        for (key, to) in &self.moved_to {
            let Some((_, version)) = self.core.reload(to).await? else {
                continue;
            };
            let retired = self
                .core
                .backend
                .reload(&self.base.store_key, self.core.now())
                .await?;
            let retired = retired.is_some_and(|(_, version)| version.of_entry() == Some(proof));
            if version.of_entry() == Some(proof) || retired {
                let written = Written {
                    key: Some(key.clone()),
                    store_key: to.clone(),
                    version,
                };
                return Ok(Some(self.save.at(written)));
            }
        }
        Ok(None)
    }

    fn won(&mut self, place: EntryRef) -> Committed {
        if self.moves {
            tracing::debug!(
                from = %self.core.backend.tag(&self.base.store_key),
                session = %self.core.backend.tag(&place.store_key),
                "session moved to a new key"
            );
        }
        Committed {
            base: Some(place),
            replayed: self.replayed.take(),
            change: Change::Saved,
        }
    }
}

fn interrupted() -> Error {
    Error::new(
        ErrorKind::Interrupted,
        "saving a session: it was logged out, moved or expired while this request was working; nothing was saved",
    )
}

/// Lets another process finish. In this process the turns keep order, so the first tries need no pause.
async fn pause(attempt: u32) {
    if attempt < 2 {
        return;
    }
    let limit = 1 << attempt.min(MAX_PAUSE_LOG2);
    let millis = getrandom::u32().map_or(limit, |random| random % limit);
    tokio::time::sleep(Duration::from_millis(millis.into())).await;
}

/// How often one commit compares and loses before it gives up. In this process the turns let every writer win at its
/// first or second try, so this many losses mean as many other processes in a row.
const COMMIT_TRIES: u32 = 64;

/// Pauses between tries are random and shorter than 2^5 = 32 ms.
const MAX_PAUSE_LOG2: u32 = 5;
