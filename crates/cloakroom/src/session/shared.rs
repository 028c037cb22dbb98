use std::mem;
use std::time::SystemTime;

use super::core::Core;
use super::edits::{Edit, Edits};
use super::plan::{Commit, CommitPoint, Committed, CookieUpdate, Plan, Write, interrupted};
use crate::model::{Error, ErrorKind, Meta, Record, Result, SavedEntry, Tombstone};

/// The state shared by the clones of one session: the record as the handler sees it, and the edits
/// to commit.
pub(super) struct SharedState {
    /// The entry that the edits build on, as far as this request knows.
    pub(super) base: Option<SavedEntry>,
    pub(super) record: Record,
    /// The edits since the last commit. They are already applied to `record`.
    pub(super) edits: Edits,
    /// Whether the browser sent the key of the entry, so that it has received the cookie.
    came_back: bool,
    /// The entries that a flush or a new session has yet to delete.
    ended: Vec<SavedEntry>,
    /// The live sessions of the request, if the browser sent the keys of several live sessions.
    /// None of them is used. They are ended when the browser gets a new session or logs out;
    /// otherwise its next request would find several again.
    refused: Vec<SavedEntry>,
    /// The tombstone at the key that the browser sent. The session is empty then, and accepts only
    /// a login and a flush.
    moved: Option<Tombstone>,
    /// The number of flushes. A commit uses it to notice a flush that happened while it ran.
    flushes: u32,
    /// The number of edits and flushes. A replay uses it to notice edits that were made during the
    /// replay.
    pub(super) revision: u64,
    /// The number of commits that are running.
    pub(super) under_way: u32,
    phase: Phase,
    /// How the response must change the cookie, given the writes that the store has acknowledged.
    pub(super) cookie: CookieUpdate,
}

/// Which changes a session accepts.
enum Phase {
    /// Edits and flushes.
    Open,
    /// Only flushes, because a commit failed.
    Failed(Failure),
    /// Nothing, because the request is over.
    Finished(Option<Failure>),
}

/// Why a commit failed. A later commit carries out a logout, and no other change.
struct Failure {
    error: Error,
    /// Whether `save` returned the error to the handler, which then decides how to respond.
    is_known: bool,
}

impl SharedState {
    pub(super) fn new(base: Option<SavedEntry>, record: Record) -> Self {
        Self {
            came_back: base.is_some(),
            base,
            record,
            edits: Edits::default(),
            ended: Vec::new(),
            refused: Vec::new(),
            moved: None,
            flushes: 0,
            revision: 0,
            under_way: 0,
            phase: Phase::Open,
            cookie: CookieUpdate::None,
        }
    }

    /// Refuses edits and flushes from now on.
    pub(super) fn finish(&mut self) {
        self.phase = match mem::replace(&mut self.phase, Phase::Open) {
            Phase::Open => Phase::Finished(None),
            Phase::Failed(failure) => Phase::Finished(Some(failure)),
            finished @ Phase::Finished(_) => finished,
        };
    }

    /// Records the failure of a commit, if it is the first one.
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

    /// Records that the error was returned to the handler.
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

    /// Returns an error if the session accepts no edits.
    pub(super) fn check_open(&self) -> Result<()> {
        match self.failure() {
            None => self.check_not_over(),
            Some(_) => Err(Error::new(
                ErrorKind::Finished,
                "editing a session: a save has failed, so the session accepts no more edits; flush \
                 it or answer with an error",
            )),
        }
    }

    /// Returns an error if the request is over.
    pub(super) fn check_not_over(&self) -> Result<()> {
        match self.phase {
            Phase::Open | Phase::Failed(_) => Ok(()),
            Phase::Finished(_) => Err(Error::new(
                ErrorKind::Finished,
                "editing a session: its request is over; edit it before the response is returned",
            )),
        }
    }

    /// Records an edit that is already applied to `record`.
    pub(super) fn push(&mut self, edit: Edit) {
        self.edits.push(edit);
        self.revision += 1;
    }

    /// Records an edit that has left `record` unchanged. After a conflict, replaying the edit may
    /// still change the record that another request saved.
    pub(super) fn push_unchanged(&mut self, edit: Edit) {
        self.edits.push_unchanged(edit);
        self.revision += 1;
    }

    /// Flushes the session. Returns the discarded edits, which own closures of the caller and must
    /// be dropped after the lock is released.
    pub(super) fn flush(&mut self, now: SystemTime) -> Edits {
        self.ended.append(&mut self.refused);
        self.moved = None;
        self.came_back = false;
        match self.base.take() {
            Some(base) => self.ended.push(base),
            None if self.ended.is_empty() => self.cookie = CookieUpdate::Remove,
            None => {}
        }
        self.record = Record::blank(now);
        self.flushes += 1;
        self.revision += 1;
        mem::take(&mut self.edits)
    }

    /// Records the live sessions that are not used because there are several.
    pub(super) fn refuse(&mut self, refused: Vec<SavedEntry>) {
        self.refused = refused;
    }

    /// Records that the session has moved away from the key that the browser sent.
    pub(super) fn set_moved(&mut self, tombstone: Tombstone) {
        self.moved = Some(tombstone);
    }

    /// Returns whether the browser's keys led to no session, live or moved, and the handler did not
    /// flush the session.
    pub(super) fn is_unknown(&self) -> bool {
        self.base.is_none() && self.moved.is_none() && self.refused.is_empty() && self.flushes == 0
    }

    pub(super) fn flushes(&self) -> u32 {
        self.flushes
    }

    /// Returns whether a flush has yet to delete an entry: a known one, or one that a running
    /// commit may write.
    #[cfg(feature = "tower")]
    pub(super) fn has_logout(&self) -> bool {
        !self.ended.is_empty() || self.flushes > 0 && self.under_way > 0
    }

    pub(super) fn is_modified(&self) -> bool {
        self.edits.have_changes() || !self.ended.is_empty()
    }
}

/// Committing.
impl SharedState {
    /// Returns whether a commit has anything to do or to wait for.
    pub(super) fn has_work(&self, point: CommitPoint, core: &Core) -> bool {
        self.is_modified()
            || self.under_way > 0
            || self.failure().is_some()
            || point == CommitPoint::Finish
                && !matches!(self.plan_touch(core, core.now()), Plan::Nothing)
    }

    /// Takes the next commit: the recorded edits and the plan for them.
    pub(super) fn take_commit(&mut self, point: CommitPoint, core: &Core) -> Commit {
        let now = core.now();
        let edits = mem::take(&mut self.edits);
        let plan = match self.failure() {
            // The edits were made while the commit that failed was running, so the handler has not
            // seen the error yet.
            Some(failure) if point != CommitPoint::Failed && edits.have_changes() => {
                Err(failure.error.clone())
            }
            Some(_) => Ok(Plan::Nothing),
            None => self.plan(point, &edits, core, now),
        };
        if !matches!(plan, Ok(Plan::Nothing)) {
            self.record.meta.touched = now;
        }
        if matches!(plan, Ok(Plan::Create(_))) {
            self.ended.append(&mut self.refused);
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
        if !edits.have_changes() {
            return Ok(match point {
                CommitPoint::Finish => self.plan_touch(core, now),
                CommitPoint::Save | CommitPoint::Failed => Plan::Nothing,
            });
        }
        if self.base.is_none() && !self.record.is_worth_keeping() {
            return Ok(Plan::Nothing);
        }
        if let Some(moved) = &self.moved {
            return match edits.log_in() {
                true => Ok(Plan::LogIn(moved.clone())),
                false => Err(interrupted()),
            };
        }
        let write = match self.came_back {
            true => Write::of(&self.record, core, now)?,
            false => Write::unconfirmed(&self.record, core, now)?,
        };
        Ok(match (self.base.clone(), write) {
            (None, None) => Plan::Nothing,
            (None, Some(write)) => Plan::Create(write),
            (Some(base), None) => Plan::End(base),
            (Some(base), Some(write)) if edits.renames() || base.entry.is_former => {
                Plan::Rename(base, write)
            }
            (Some(base), Some(write)) => Plan::Save(base, write),
        })
    }

    /// Plans a touch if the options ask for one and it is due.
    fn plan_touch(&self, core: &Core, now: SystemTime) -> Plan {
        let Some(base) = &self.base else {
            return Plan::Nothing;
        };
        let expiry = core.backend.format().expiry(&self.record.data);
        let expires = core.policy.expires(expiry, self.record.meta.created, now);
        let since = now.duration_since(self.record.meta.touched);
        let is_due = core.policy.slides_after(expiry).is_some_and(|threshold| {
            since.is_ok_and(|since| since >= threshold) && expires > base.meta.expires
        });
        let is_alive = base.meta.expires > now && expires > now;
        let meta = Meta {
            touched: now,
            expires,
            ..base.meta.clone()
        };
        if is_alive && (is_due || core.policy.save_every_request) {
            Plan::Touch(base.clone(), meta)
        } else if is_alive && self.came_back && core.policy.is_unconfirmed(expiry, &base.meta) {
            Plan::Confirm(base.clone(), meta)
        } else {
            Plan::Nothing
        }
    }

    /// Records that the store has deleted the flushed entry.
    pub(super) fn acknowledge_end(&mut self, flushes: u32) {
        if self.flushes == flushes {
            self.ended.clear();
        }
        self.cookie = CookieUpdate::Remove;
    }

    /// Records the result of a commit that was taken after `flushes` flushes.
    pub(super) fn acknowledge(&mut self, committed: Committed, flushes: u32) {
        if self.flushes == flushes {
            self.moved = None;
            self.base = committed.base;
            self.cookie = committed.cookie;
        } else if let Some(base) = committed.base {
            // The handler flushed the session while the commit ran, so the entry that was just
            // saved is to be deleted.
            self.ended
                .retain(|ended| ended.entry.store_key != base.entry.store_key);
            self.ended.push(base);
        }
    }

    /// Records the outcome of a commit. Returns the result for the caller of the commit.
    pub(super) fn conclude(&mut self, point: CommitPoint, outcome: Result<()>) -> Result<()> {
        if let Err(error) = &outcome {
            if error.kind() == ErrorKind::Interrupted && self.cookie == CookieUpdate::Set {
                // The key has been revoked, so it is not sent: the browser may have a newer key.
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
