use std::mem;
use std::time::SystemTime;

use super::core::Core;
use super::edits::{Edit, Edits, Intent};
use super::plan::{Change, Commit, Committed, Save, Work};
use crate::model::{EntryRef, Error, ErrorKind, Meta, Record, Result};

/// What the clones of one session share: the state as the handler sees it, and what is still to be committed.
pub(super) struct SharedState {
    /// Where the store has the entry, as far as this request knows.
    pub(super) base: Option<EntryRef>,
    pub(super) record: Record,
    /// What was done since the last commit; `record` has it in it.
    pub(super) edits: Edits,
    /// Where the entry is that a flush is to delete.
    ended: Option<EntryRef>,
    /// How many flushes there were. A commit that was under way during one must not put its entry back.
    flushes: u32,
    /// Counts edits and flushes, so that others can be noticed.
    pub(super) revision: u64,
    /// Something was read or changed.
    pub(super) accessed: bool,
    /// The request is over.
    finished: bool,
    /// Commits that were begun and are not done.
    pub(super) under_way: u32,
    /// Why a commit failed. There is none after it but that of a logout.
    pub(super) failed: Option<Error>,
    /// The handler knows that, and answers as it thinks best.
    pub(super) failure_told: bool,
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

impl SharedState {
    pub(super) fn new(base: Option<EntryRef>, record: Record) -> Self {
        Self {
            base,
            record,
            edits: Edits::default(),
            ended: None,
            flushes: 0,
            revision: 0,
            accessed: false,
            finished: false,
            under_way: 0,
            failed: None,
            failure_told: false,
            untold: Change::None,
        }
    }

    /// Takes no more edits from now on.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Records an edit that `record` has in it already.
    pub(super) fn record(&mut self, edit: Edit) {
        self.edits.push(edit);
        self.revision += 1;
    }

    /// Gives back the edits that nobody wants any more. They hold the caller's code, so drop them without the lock.
    pub(super) fn flush(&mut self, now: SystemTime) -> Edits {
        match self.base.take() {
            Some(base) => self.ended = Some(base),
            None if self.ended.is_none() => self.untold = Change::Ended,
            None => {}
        }
        self.record = Record::blank(now);
        self.flushes += 1;
        self.revision += 1;
        mem::take(&mut self.edits)
    }

    /// Begins a round: says whether there is anything to do or to wait for.
    pub(super) fn begin(&mut self, round: Round, core: &Core) -> bool {
        self.finished |= round != Round::Save;
        let begins = self.is_modified()
            || self.under_way > 0
            || self.failed.is_some()
            || round == Round::Finish && !matches!(self.slides(core, core.now()), Work::Nothing);
        self.under_way += u32::from(begins);
        begins
    }

    /// Takes out what is to be committed now.
    pub(super) fn take_commit(&mut self, round: Round, core: &Core) -> Commit {
        let now = core.now();
        let edits = mem::take(&mut self.edits);
        let work = match &self.failed {
            // They were made while the commit was under way that failed, so nobody has been told about them.
            Some(error) if round != Round::Failed && !edits.is_empty() => Err(error.clone()),
            Some(_) => Ok(Work::Nothing),
            None => self.work(round, &edits, core, now),
        };
        if !matches!(work, Ok(Work::Nothing)) {
            self.record.meta.touched = now;
        }
        Commit {
            ended: self.ended.clone(),
            flushes: self.flushes,
            edits,
            work,
        }
    }

    /// The entry that was ended is gone, whatever comes next.
    pub(super) fn acknowledge_end(&mut self, flushes: u32) {
        if self.flushes == flushes {
            self.ended = None;
        }
        self.untold = Change::Ended;
    }

    /// Takes over what the store has acknowledged of a commit that was taken after so many flushes.
    pub(super) fn acknowledge(&mut self, committed: Committed, flushes: u32) {
        if self.flushes == flushes {
            self.base = committed.base;
            self.untold = committed.change;
        } else if let Some(base) = committed.base {
            // The handler flushed while this was under way: what has just been saved is what it wants ended.
            self.ended = Some(base);
        }
    }

    /// Remembers how a round went, and says what its caller is to be told.
    pub(super) fn conclude(&mut self, round: Round, outcome: Result<()>) -> Result<()> {
        if let Err(error) = &outcome {
            if error.kind() == ErrorKind::Interrupted && self.untold == Change::Saved {
                // That key is dead by now, and the browser may hold a better one.
                self.untold = Change::None;
            }
            self.failed.get_or_insert_with(|| error.clone());
        }
        match (round, &self.failed) {
            (Round::Save, Some(error)) => Err(error.clone()),
            (Round::Finish, Some(error)) if !self.failure_told => Err(error.clone()),
            _ => outcome,
        }
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.failed {
            None => self.check_not_over(),
            Some(_) => Err(Error::new(
                ErrorKind::Finished,
                "editing a session: saving it has failed, and it takes no more edits; flush it or answer with an error",
            )),
        }
    }

    pub(super) fn check_not_over(&self) -> Result<()> {
        match self.finished {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::Finished,
                "editing a session: its request is over; edit it before the response is returned",
            )),
        }
    }

    pub(super) fn is_modified(&self) -> bool {
        !self.edits.is_empty() || self.ended.is_some()
    }

    pub(super) fn flushes(&self) -> u32 {
        self.flushes
    }

    fn work(&self, round: Round, edits: &Edits, core: &Core, now: SystemTime) -> Result<Work> {
        let intent = match round {
            Round::Failed => Intent::Nothing,
            Round::Save | Round::Finish => edits.intent(self.base.as_ref(), &self.record),
        };
        let save = || Save::of(&self.record, core, now);
        Ok(match intent {
            Intent::Nothing if round == Round::Finish => self.slides(core, now),
            Intent::Nothing => Work::Nothing,
            Intent::Create => save()?.map_or(Work::Nothing, Work::Create),
            Intent::Save(base) | Intent::Move(base) => match save()? {
                None => Work::End(base.clone()),
                Some(save) if matches!(intent, Intent::Move(_)) => Work::Move(base.clone(), save),
                Some(save) => Work::Save(base.clone(), save),
            },
        })
    }

    /// A touch, if reading counts as activity and it is time to write that down.
    fn slides(&self, core: &Core, now: SystemTime) -> Work {
        let Some(base) = &self.base else {
            return Work::Nothing;
        };
        let expires = core.expires(&self.record, now);
        let since = now.duration_since(self.record.meta.touched);
        let is_due = core.policy.slide.is_some_and(|threshold| {
            since.is_ok_and(|since| since >= threshold) && expires > base.meta.expires
        });
        let is_alive = base.meta.expires > now && expires > now;
        if !is_alive || !(is_due || core.policy.save_every_request) {
            return Work::Nothing;
        }
        let meta = Meta {
            touched: now,
            expires,
            ..base.meta.clone()
        };
        Work::Touch(base.clone(), meta)
    }
}
