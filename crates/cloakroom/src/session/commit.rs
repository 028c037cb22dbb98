use std::time::{Duration, SystemTime};

use super::edits::{Edits, Held};
use super::turns::Turn;
use crate::core::Core;
use crate::shelf::may_have_happened;
use crate::store::{Draft, Meta, Outcome, Version};
use crate::{Error, ErrorKind, Key, Lookup, Result};

/// One commit: what is to be done to the store, taken from a session in one go.
pub(crate) struct Commit {
    /// The entry that a `flush` ended.
    pub(crate) ended: Option<Lookup>,
    /// How many times the session had been flushed when this was taken from it.
    pub(crate) flushes: u32,
    /// Where the session's entry was when it was loaded.
    pub(crate) base: Option<Place>,
    pub(crate) edits: Edits,
    pub(crate) work: Work,
}

/// What to do once that which was ended is gone.
pub(crate) enum Work {
    Nothing,
    /// Only the times change.
    Touch(Meta),
    /// No entry yet: write one.
    Create(Draft),
    /// Replace the entry.
    Save(Draft),
    /// Replace the entry and give it a new key.
    Move(Draft),
    /// The edits let the session expire.
    End,
}

/// Where the store has a session's entry.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `None` if the session was opened by its tag, which does not tell.
    pub(crate) key: Option<Key>,
    pub(crate) lookup: Lookup,
    pub(crate) version: Version,
    pub(crate) expires: SystemTime,
}

/// What the store has acknowledged.
pub(crate) struct Committed {
    pub(crate) base: Option<Place>,
    /// The contents that were saved, if others had saved in between and the edits were replayed.
    pub(crate) replayed: Option<Held>,
    pub(crate) change: Change,
}

/// What became of the session, as far as the browser must know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// Nothing new.
    None,
    /// There is an entry, with a key and an expiry to tell.
    Saved,
    /// There is none any more.
    Ended,
}

impl Commit {
    /// Does it. The caller runs it on a task of its own, so that a browser that hangs up cannot stop it halfway.
    pub(crate) async fn run(self, core: &Core) -> Result<Committed> {
        if let Some(lookup) = &self.ended {
            core.shelf.delete(lookup).await?;
            tracing::debug!(session = %core.shelf.tag(lookup), "session ended");
        }
        match (self.work, self.base) {
            (Work::Nothing, base) => Ok(Committed {
                change: match base {
                    None if self.flushes > 0 => Change::Ended,
                    _ => Change::None,
                },
                base,
                replayed: None,
            }),
            (Work::Create(draft), _) => create(core, &draft, None).await,
            (Work::Touch(meta), Some(base)) => Ok(touch(core, base, &meta).await),
            (Work::Save(draft), Some(base)) => {
                Race::new(core, base, self.edits, draft, false).run().await
            }
            (Work::Move(draft), Some(base)) => {
                Race::new(core, base, self.edits, draft, true).run().await
            }
            (Work::End, Some(base)) => end(core, &base.lookup).await,
            (Work::Touch(_) | Work::Save(_) | Work::Move(_) | Work::End, None) => {
                unreachable!("only a session with an entry is touched, saved, moved or ended")
            }
        }
    }
}

/// Sliding is a courtesy: if it fails, the page still goes out, and the session ends when it would have ended.
async fn touch(core: &Core, mut base: Place, meta: &Meta) -> Committed {
    let change = match core.shelf.touch(&base.lookup, &base.version, meta).await {
        Ok(Outcome::Written(version)) => {
            base.version = version;
            base.expires = meta.expires;
            Change::Saved
        }
        Ok(Outcome::Stale) => Change::None,
        Err(error) => {
            tracing::warn!(
                session = %core.shelf.tag(&base.lookup),
                error = format!("{error:#}"),
                "touching a session failed"
            );
            Change::None
        }
    };
    Committed {
        base: Some(base),
        replayed: None,
        change,
    }
}

async fn create(core: &Core, draft: &Draft, replayed: Option<Held>) -> Result<Committed> {
    let (key, lookup, version) = core.shelf.create(draft).await?;
    tracing::debug!(session = %core.shelf.tag(&lookup), "session created");
    Ok(Committed {
        base: Some(Place {
            key: Some(key),
            lookup,
            version,
            expires: draft.meta.expires,
        }),
        replayed,
        change: Change::Saved,
    })
}

async fn end(core: &Core, lookup: &Lookup) -> Result<Committed> {
    core.shelf.delete(lookup).await?;
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
    base: Place,
    edits: Edits,
    draft: Draft,
    moves: bool,
    /// What the edits made of the fresh state, after a conflict.
    replayed: Option<Held>,
    /// Keys to which the entry may have been moved by a call whose answer got lost.
    moved_to: Vec<Key>,
}

impl<'a> Race<'a> {
    fn new(core: &'a Core, base: Place, edits: Edits, draft: Draft, moves: bool) -> Self {
        Self {
            core,
            base,
            edits,
            draft,
            moves,
            replayed: None,
            moved_to: Vec::new(),
        }
    }

    async fn run(mut self) -> Result<Committed> {
        // The entry may still be there, but a session that expired under the request is as gone as one that was
        // logged out.
        if self.base.expires <= self.core.now() {
            return self.gone().await;
        }
        // Whoever comes while others take turns stands in line; else the line would never get shorter.
        let mut turn = self.core.turns.join(&self.base.lookup).await?;
        let mut lost_answer = None;
        for attempt in 0..COMMIT_TRIES {
            match self.attempt().await {
                Ok(Some(place)) => {
                    self.drop_orphans().await;
                    return Ok(self.won(place));
                }
                Ok(None) => {}
                Err(error) if may_have_happened(&error) && lost_answer.is_none() => {
                    lost_answer = Some(error);
                }
                Err(error) => return Err(error),
            }
            self.stand_in_line(&mut turn).await?;
            pause(attempt).await;
            match self.core.load(&self.base.lookup).await? {
                // The entry is as we saw it: the call whose answer got lost has not happened. The same draft can
                // be sent again, since only one of the two calls can find this version.
                Some((_, version)) if version == self.base.version && lost_answer.is_some() => {}
                // The call has happened, only its answer got lost.
                Some((_, version)) if version == self.draft.version => {
                    return Ok(self.won_in_place());
                }
                // Another save is on top, perhaps of ours and perhaps not. Replaying might do the edits twice.
                Some(_) if lost_answer.is_some() => {
                    return Err(lost_answer.expect("checked in the guard"));
                }
                Some((fresh, version)) => {
                    if !self.replay(fresh, version)? {
                        return end(self.core, &self.base.lookup).await;
                    }
                }
                None => return self.gone().await,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "saving a session: others saved it first, {COMMIT_TRIES} times in a row; try again"
            ),
        ))
    }

    /// One compare-and-swap: where the entry is now, or `None` if another came first.
    async fn attempt(&mut self) -> Result<Option<Place>> {
        let Place {
            key,
            lookup,
            version,
            ..
        } = &self.base;
        let shelf = &self.core.shelf;
        let (key, lookup, outcome) = if self.moves {
            let to_key = shelf.format().new_key()?;
            let to = shelf.format().lookup(&to_key);
            let renamed = shelf.rename(lookup, version, &to, &self.draft).await;
            if renamed.as_ref().is_err_and(may_have_happened) {
                self.moved_to.push(to_key.clone());
            }
            (Some(to_key), to, renamed?)
        } else {
            let outcome = shelf.save(lookup, version, &self.draft).await?;
            (key.clone(), lookup.clone(), outcome)
        };
        Ok(match outcome {
            Outcome::Written(version) => Some(Place {
                key,
                lookup,
                version,
                expires: self.draft.meta.expires,
            }),
            Outcome::Stale => None,
        })
    }

    /// Runs the edits on what another request saved. `false` if they let the session expire.
    fn replay(&mut self, mut fresh: Held, version: Version) -> Result<bool> {
        self.base.version = version;
        self.edits.replay(&mut fresh)?;
        let now = self.core.now();
        let expires = self.core.expires(&fresh, now);
        if expires <= now {
            return Ok(false);
        }
        self.draft = self.core.shelf.draft(&fresh, expires, now)?;
        self.replayed = Some(fresh);
        Ok(true)
    }

    /// The entry is not there any more.
    async fn gone(self) -> Result<Committed> {
        for key in &self.moved_to {
            let lookup = self.core.shelf.format().lookup(key);
            if let Some((_, version)) = self.core.load(&lookup).await?
                && version == self.draft.version
            {
                let place = Place {
                    key: Some(key.clone()),
                    lookup,
                    version,
                    expires: self.draft.meta.expires,
                };
                return Ok(self.won(place));
            }
        }
        // A logout wins over everything that was under way, except over a login, which brought its own proof: it
        // gets a session of its own, with nothing in it from the one that ended.
        if self.edits.log_in() {
            let now = self.core.now();
            let mut held = Held::blank(now);
            self.edits.replay(&mut held)?;
            let draft = self
                .core
                .shelf
                .draft(&held, self.core.expires(&held, now), now)?;
            return create(self.core, &draft, Some(held)).await;
        }
        Err(interrupted())
    }

    /// A call whose answer got lost may have left half of a move behind. Nobody knows its key, but it would stand in
    /// its owner's list.
    async fn drop_orphans(&self) {
        for key in &self.moved_to {
            let lookup = self.core.shelf.format().lookup(key);
            if let Err(error) = self.core.shelf.delete(&lookup).await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "an orphan stays until it expires"
                );
            }
        }
    }

    fn won(self, place: Place) -> Committed {
        if self.moves {
            tracing::debug!(
                from = %self.core.shelf.tag(&self.base.lookup),
                session = %self.core.shelf.tag(&place.lookup),
                "session moved to a new key"
            );
        }
        Committed {
            base: Some(place),
            replayed: self.replayed,
            change: Change::Saved,
        }
    }

    fn won_in_place(self) -> Committed {
        let place = Place {
            version: self.draft.version.clone(),
            expires: self.draft.meta.expires,
            ..self.base.clone()
        };
        self.won(place)
    }

    async fn stand_in_line(&self, turn: &mut Option<Turn>) -> Result<()> {
        if turn.is_none() {
            *turn = Some(self.core.turns.take(&self.base.lookup).await?);
        }
        Ok(())
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
