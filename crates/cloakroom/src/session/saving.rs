use tracing::Instrument;

use super::plan::CommitPoint;
use super::session::{Session, UPDATE_TRIES};
use crate::model::{Error, ErrorKind, Record, Result};

/// Saving.
impl Session {
    /// Saves now, instead of when the response is ready: for what must be stored before the handler goes on.
    ///
    /// What it did is told to the browser with the response, whatever the response is. After an error the session
    /// takes no more edits, and can only be flushed; what the handler answers then is its own affair.
    ///
    /// If the future is dropped, the save goes on by itself. The response waits for it, and if it fails, the layer
    /// answers in the handler's place.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable), [`Timeout`](ErrorKind::Timeout), [`Full`](ErrorKind::Full) and
    /// [`Conflict`](ErrorKind::Conflict) from the store; [`Interrupted`](ErrorKind::Interrupted) if the session was
    /// ended by another request; [`TooLarge`](ErrorKind::TooLarge) if there is too much in it;
    /// [`BadValue`](ErrorKind::BadValue) if another request changed the type of an item that was updated here;
    /// [`Finished`](ErrorKind::Finished) once the request is over.
    pub async fn save(&self) -> Result<()> {
        self.lock().check_not_over()?;
        let saved = self.commit(CommitPoint::Save).await;
        if saved.is_err() {
            self.lock().failure_is_known();
        }
        saved
    }

    /// Commits what this point of the request asks for, on a task of its own: a browser that hangs up drops the
    /// future of its request, and a commit must not stop halfway.
    pub(crate) async fn commit(&self, point: CommitPoint) -> Result<()> {
        {
            let mut shared = self.lock();
            if !shared.has_work(point, &self.0.core) {
                return Ok(());
            }
            shared.under_way += 1;
        }
        let under_way = UnderWay {
            session: self.clone(),
            done: false,
        };
        let committing = async move { under_way.commit(point).await };
        match tokio::spawn(committing.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                // A closure of an `update` panicked when it was replayed. It belongs to this request.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::new(
                    ErrorKind::Unavailable,
                    "saving a session: the runtime is shutting down",
                )
                .with_source(error)),
            },
        }
    }

    /// Whether a logout is recorded that a commit has to carry out.
    #[cfg(feature = "tower")]
    pub(crate) fn has_logout(&self) -> bool {
        self.lock().has_logout()
    }

    /// Whether a commit at this point of the request has anything to do or to wait for.
    #[cfg(feature = "tower")]
    pub(crate) fn has_work(&self, point: CommitPoint) -> bool {
        self.lock().has_work(point, &self.0.core)
    }

    /// What [`commit`](Self::commit) does when it is its turn.
    async fn commit_in_turn(&self, point: CommitPoint) -> Result<()> {
        let core = &self.0.core;
        let commit = self.lock().take_commit(point, core);
        let flushes = commit.flushes;
        // Whatever else may fail: a logout is carried out first, and told.
        if commit.end(core).await? {
            self.lock().acknowledge_end(flushes);
        }
        let Some(mut committed) = commit.run(core).await? else {
            return Ok(());
        };
        let replayed = committed.replayed.take();
        self.lock().acknowledge(committed, flushes);
        match replayed {
            Some(record) => self.rebase(&record, flushes),
            None => Ok(()),
        }
    }

    /// Does again what the handler did meanwhile, on top of what the commit has saved; unless it flushed.
    fn rebase(&self, saved: &Record, flushes: u32) -> Result<()> {
        for _ in 0..UPDATE_TRIES {
            let (edits, revision) = {
                let shared = self.lock();
                (shared.edits.clone(), shared.revision)
            };
            let mut record = saved.clone();
            // The caller's code, and no lock is held.
            edits.replay(&mut record, self.0.core.backend.format())?;
            let mut shared = self.lock();
            if shared.flushes() != flushes {
                return Ok(());
            }
            if shared.revision == revision {
                shared.record = record;
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "saving a session: the handler went on editing it faster than it could be saved",
        ))
    }
}

/// A commit that was begun. Until it is done the response waits, and if it never is done, that is a failure.
struct UnderWay {
    session: Session,
    done: bool,
}

impl UnderWay {
    async fn commit(mut self, point: CommitPoint) -> Result<()> {
        // The commits of one session take turns, also within one request.
        let _turn = self.session.0.turn.lock().await;
        let outcome = self.session.commit_in_turn(point).await;
        self.done = true;
        self.session.lock().conclude(point, outcome)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut shared = self.session.lock();
        shared.under_way -= 1;
        if !self.done {
            let panicked = "saving a session: replaying the edits panicked";
            let error = Error::new(ErrorKind::Unavailable, panicked);
            shared.fail(error);
        }
    }
}
