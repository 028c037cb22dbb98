use std::mem;
use std::time::SystemTime;

use super::core::Core;
use super::edits::{Edit, Edits};
use super::plan::{Commit, CommitPoint, Committed, CookieUpdate, Plan, Write};
use crate::model::{Error, ErrorKind, Meta, Record, Result, SavedEntry};

/// What the clones of one session share: the record as the handler sees it, and what is still to be committed.
pub(super) struct SharedState {
    /// The entry that the edits build on, as far as this request knows.
    pub(super) base: Option<SavedEntry>,
    pub(super) record: Record,
    /// What was done since the last commit; `record` has it in it.
    pub(super) edits: Edits,
    /// The entry that a flush is to delete.
    ended: Option<SavedEntry>,
    /// How many flushes there were. A commit that was under way during one must not put its entry back.
    flushes: u32,
    /// Counts edits and flushes, so that others can be noticed.
    pub(super) revision: u64,
    /// Commits that were begun and are not done.
    pub(super) under_way: u32,
    phase: Phase,
    /// What the store has acknowledged and the browser does not know yet.
    pub(super) cookie: CookieUpdate,
}

/// Where a session is in its life.
enum Phase {
    /// It takes edits.
    Open,
    /// A commit failed. It takes no edits, and can still be flushed.
    Failed(Failure),
    /// The request is over. It takes nothing.
    Finished(Option<Failure>),
}

/// Why a commit failed. The only commit after it is that of a logout.
struct Failure {
    error: Error,
    /// Whether the handler got the error, and answers as it thinks best.
    is_known: bool,
}

impl SharedState {
    pub(super) fn new(base: Option<SavedEntry>, record: Record) -> Self {
        Self {
            base,
            record,
            edits: Edits::default(),
            ended: None,
            flushes: 0,
            revision: 0,
            under_way: 0,
            phase: Phase::Open,
            cookie: CookieUpdate::None,
        }
    }

    /// Takes nothing more from now on.
    pub(super) fn finish(&mut self) {
        self.phase = match mem::replace(&mut self.phase, Phase::Open) {
            Phase::Open => Phase::Finished(None),
            Phase::Failed(failure) => Phase::Finished(Some(failure)),
            finished @ Phase::Finished(_) => finished,
        };
    }

    /// Remembers the first failure of a commit.
    pub(super) fn fail(&mut self, error: Error) {
        let failure = Failure {
            error,
            is_known: false,
        };
        match &mut self.phase {
            Phase::Open => self.phase = Phase::Failed(failure),
            Phase::Finished(none @ None) => *none = Some(failure),
            Phase::Failed(_) | Phase::Finished(Some(_)) => {}
        }
    }

    /// Remembers that the handler got the error.
    pub(super) fn failure_is_known(&mut self) {
        if let Phase::Failed(failure) | Phase::Finished(Some(failure)) = &mut self.phase {
            failure.is_known = true;
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            Phase::Failed(failure) | Phase::Finished(Some(failure)) => Some(failure),
            Phase::Open | Phase::Finished(None) => None,
        }
    }

    /// Refuses an edit where the session takes none.
    pub(super) fn check_open(&self) -> Result<()> {
        match self.failure() {
            None => self.check_not_over(),
            Some(_) => Err(Error::new(
                ErrorKind::Finished,
                "editing a session: saving it has failed, and it takes no more edits; flush it or answer with an error",
            )),
        }
    }

    /// Refuses whatever comes after the request.
    pub(super) fn check_not_over(&self) -> Result<()> {
        match self.phase {
            Phase::Open | Phase::Failed(_) => Ok(()),
            Phase::Finished(_) => Err(Error::new(
                ErrorKind::Finished,
                "editing a session: its request is over; edit it before the response is returned",
            )),
        }
    }

    /// Records an edit that `record` has in it already.
    pub(super) fn push(&mut self, edit: Edit) {
        self.edits.push(edit);
        self.revision += 1;
    }

    /// Returns the edits that are no longer wanted. They hold the caller's code, so drop them without the lock.
    pub(super) fn flush(&mut self, now: SystemTime) -> Edits {
        match self.base.take() {
            Some(base) => self.ended = Some(base),
            None if self.ended.is_none() => self.cookie = CookieUpdate::Remove,
            None => {}
        }
        self.record = Record::blank(now);
        self.flushes += 1;
        self.revision += 1;
        mem::take(&mut self.edits)
    }

    pub(super) fn flushes(&self) -> u32 {
        self.flushes
    }

    /// Whether an entry is to be deleted, or one that a commit is about to write.
    #[cfg(feature = "tower")]
    pub(super) fn has_logout(&self) -> bool {
        self.ended.is_some() || self.flushes > 0 && self.under_way > 0
    }

    pub(super) fn is_modified(&self) -> bool {
        !self.edits.is_empty() || self.ended.is_some()
    }
}

/// Committing.
impl SharedState {
    /// Whether a commit has anything to do or to wait for.
    pub(super) fn has_work(&self, point: CommitPoint, core: &Core) -> bool {
        self.is_modified()
            || self.under_way > 0
            || self.failure().is_some()
            || point == CommitPoint::Finish
                && !matches!(self.plan_touch(core, core.now()), Plan::Nothing)
    }

    /// Takes out what is to be committed now.
    pub(super) fn take_commit(&mut self, point: CommitPoint, core: &Core) -> Commit {
        let now = core.now();
        let edits = mem::take(&mut self.edits);
        let plan = match self.failure() {
            // They were made while the commit was under way that failed, so the handler does not know.
            Some(failure) if point != CommitPoint::Failed && !edits.is_empty() => {
                Err(failure.error.clone())
            }
            Some(_) => Ok(Plan::Nothing),
            None => self.plan(point, &edits, core, now),
        };
        if !matches!(plan, Ok(Plan::Nothing)) {
            self.record.meta.touched = now;
        }
        Commit {
            ended: self.ended.clone(),
            flushes: self.flushes,
            edits,
            plan,
        }
    }

    fn plan(
        &self,
        point: CommitPoint,
        edits: &Edits,
        core: &Core,
        now: SystemTime,
    ) -> Result<Plan> {
        if point == CommitPoint::Failed {
            return Ok(Plan::Nothing);
        }
        if edits.is_empty() {
            return Ok(match point {
                CommitPoint::Finish => self.plan_touch(core, now),
                CommitPoint::Save | CommitPoint::Failed => Plan::Nothing,
            });
        }
        if self.base.is_none() && !self.record.is_worth_keeping() {
            return Ok(Plan::Nothing);
        }
        let write = Write::of(&self.record, core, now)?;
        Ok(match (self.base.clone(), write) {
            (None, None) => Plan::Nothing,
            (None, Some(write)) => Plan::Create(write),
            (Some(base), None) => Plan::End(base),
            (Some(base), Some(write)) if edits.renames() => Plan::Rename(base, write),
            (Some(base), Some(write)) => Plan::Save(base, write),
        })
    }

    /// A touch, if reading counts as activity and it is time to write that down.
    fn plan_touch(&self, core: &Core, now: SystemTime) -> Plan {
        let Some(base) = &self.base else {
            return Plan::Nothing;
        };
        let expires = core.expires(&self.record, now);
        let since = now.duration_since(self.record.meta.touched);
        let is_due = core.policy.slide.is_some_and(|threshold| {
            since.is_ok_and(|since| since >= threshold) && expires > base.meta.expires
        });
        let is_alive = base.meta.expires > now && expires > now;
        if !is_alive || !(is_due || core.policy.save_every_request) {
            return Plan::Nothing;
        }
        let meta = Meta {
            touched: now,
            expires,
            ..base.meta.clone()
        };
        Plan::Touch(base.clone(), meta)
    }

    /// The entry that was ended is deleted, whatever comes next.
    pub(super) fn acknowledge_end(&mut self, flushes: u32) {
        if self.flushes == flushes {
            self.ended = None;
        }
        self.cookie = CookieUpdate::Remove;
    }

    /// Takes over what the store has acknowledged of a commit that was taken after so many flushes.
    pub(super) fn acknowledge(&mut self, committed: Committed, flushes: u32) {
        if self.flushes == flushes {
            self.base = committed.base;
            self.cookie = committed.cookie;
        } else if let Some(base) = committed.base {
            // The handler flushed while this was under way: what has just been saved is what it wants ended.
            self.ended = Some(base);
        }
    }

    /// Remembers how a commit ended. Returns what its caller is told.
    pub(super) fn conclude(&mut self, point: CommitPoint, outcome: Result<()>) -> Result<()> {
        if let Err(error) = &outcome {
            if error.kind() == ErrorKind::Interrupted && self.cookie == CookieUpdate::Set {
                // That key is dead by now, and the browser may hold a better one.
                self.cookie = CookieUpdate::None;
            }
            self.fail(error.clone());
        }
        match (point, self.failure()) {
            (CommitPoint::Save, Some(failure)) => Err(failure.error.clone()),
            (CommitPoint::Finish, Some(failure)) if !failure.is_known => Err(failure.error.clone()),
            _ => outcome,
        }
    }
}
