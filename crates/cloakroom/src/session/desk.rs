use std::mem;
use std::time::SystemTime;

use super::commit::{Change, Commit, Committed, Place, Work};
use super::edits::{Edit, Edits, Held, Intent};
use crate::core::Core;
use crate::store::Meta;
use crate::{Error, ErrorKind, Lookup, Result};

/// What the clones of one session share: the state as the handler sees it, and what is still to be committed.
pub(super) struct Desk {
    /// Where the store has the entry, as far as this request knows.
    pub(super) base: Option<Place>,
    pub(super) held: Held,
    /// What was done since the last commit; `held` has it in it.
    pub(super) edits: Edits,
    /// The entry that a flush is to delete.
    ended: Option<Lookup>,
    /// How many flushes there were. A commit that was under way during one must not put its entry back.
    flushes: u32,
    /// Counts edits and flushes, so that others can be noticed.
    pub(super) revision: u64,
    /// Something was read or changed.
    pub(super) accessed: bool,
    /// The request is over.
    pub(super) sealed: bool,
    /// Why a commit failed.
    pub(super) failed: Option<Error>,
    /// What the store has acknowledged and the browser does not know yet.
    pub(super) untold: Change,
}

/// At which point of the request a commit happens, and so what it includes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Round {
    /// The handler asked for it.
    Save,
    /// The response is ready.
    Finish,
    /// The response is a 5xx: only a logout counts.
    Failed,
}

impl Desk {
    pub(super) fn new(base: Option<Place>, held: Held) -> Self {
        Self {
            base,
            held,
            edits: Edits::default(),
            ended: None,
            flushes: 0,
            revision: 0,
            accessed: false,
            sealed: false,
            failed: None,
            untold: Change::None,
        }
    }

    pub(super) fn is_modified(&self) -> bool {
        !self.edits.is_empty() || self.ended.is_some()
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.sealed || self.failed.is_some() {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::Finished,
                "editing a session: its request is over, or saving it has failed; edit before the response is returned",
            )),
        }
    }

    /// Records an edit that `held` has in it already.
    pub(super) fn record(&mut self, edit: Edit) {
        self.edits.push(edit);
        self.revision += 1;
    }

    pub(super) fn flush(&mut self, now: SystemTime) {
        if let Some(base) = self.base.take() {
            self.ended = Some(base.lookup);
        }
        self.held = Held::blank(now);
        self.edits = Edits::default();
        self.flushes += 1;
        self.revision += 1;
    }

    /// Begins a round: says whether there is anything to commit. After the last round no edits are taken.
    pub(super) fn begin(&mut self, round: Round, core: &Core) -> bool {
        self.sealed |= round != Round::Save;
        if round == Round::Failed {
            self.edits = Edits::default();
        }
        let sliding = || round == Round::Finish && self.slides(core, core.now()).is_some();
        self.is_modified() || self.flushes > 0 || sliding()
    }

    /// Takes out what is to be committed now.
    pub(super) fn take_commit(&mut self, round: Round, core: &Core) -> Result<Commit> {
        if let Some(error) = self.failed.as_ref().filter(|_| !self.edits.is_empty()) {
            // They were made while the commit was under way that failed, so nobody has been told about them.
            return Err(error.clone());
        }
        let now = core.now();
        let work = match self.edits.intent(self.base.is_some(), &self.held) {
            Intent::Nothing => match self.slides(core, now) {
                Some(meta) if round == Round::Finish => Work::Touch(meta),
                _ => Work::Nothing,
            },
            intent => {
                let expires = core.expires(&self.held, now);
                match intent {
                    _ if expires <= now && self.base.is_some() => Work::End,
                    _ if expires <= now => Work::Nothing,
                    Intent::Nothing => unreachable!("matched above"),
                    Intent::Create => Work::Create(core.shelf.draft(&self.held, expires, now)?),
                    Intent::Save => Work::Save(core.shelf.draft(&self.held, expires, now)?),
                    Intent::Move => Work::Move(core.shelf.draft(&self.held, expires, now)?),
                }
            }
        };
        self.held.meta.touched = now;
        Ok(Commit {
            ended: self.ended.clone(),
            flushes: self.flushes,
            base: self.base.clone(),
            edits: mem::take(&mut self.edits),
            work,
        })
    }

    /// Takes over what the store has acknowledged of a commit that was taken after so many flushes.
    pub(super) fn acknowledge(&mut self, done: Committed, replayed: Option<Held>, flushes: u32) {
        if self.flushes == flushes {
            self.ended = None;
            self.base = done.base;
            if let Some(held) = replayed {
                self.held = held;
            }
        } else if let Some(base) = done.base {
            // The handler flushed while this was under way: what has just been saved is what it wants ended.
            self.ended = Some(base.lookup);
        }
        if done.change != Change::None {
            self.untold = done.change;
        }
    }

    /// The meta to touch the entry with, if reading it counts as activity and it is time to write that down.
    fn slides(&self, core: &Core, now: SystemTime) -> Option<Meta> {
        let threshold = core.policy.slide?;
        let base = self.base.as_ref().filter(|base| base.expires > now)?;
        let since = now.duration_since(self.held.meta.touched).ok()?;
        let expires = core.expires(&self.held, now);
        (since >= threshold && expires > base.expires).then(|| Meta {
            touched: now,
            expires,
            ..self.held.meta.clone()
        })
    }
}
