use std::sync::Arc;

use tracing::Instrument;

use super::plan::{Commit, CommitPoint, Plan};
use super::session::{Inner, Session, UPDATE_TRIES};
use crate::backend::CallLimit;
use crate::model::{Error, ErrorKind, Record, Result};

/// Saving.
impl Session {
    /// Saves the edits now, instead of when the response is ready. For edits that must be stored
    /// before the handler continues, and for sessions outside of a request.
    ///
    /// Whatever the status of the response, it sets or removes the cookie accordingly. After an
    /// error, the session accepts no more edits and can only be flushed; the handler decides how
    /// to respond.
    ///
    /// If the future is dropped, the save continues in the background. The response waits for the
    /// save. If the save fails, the layer replaces the handler's response.
    ///
    /// # Errors
    /// * [`Unavailable`](ErrorKind::Unavailable), [`Timeout`](ErrorKind::Timeout) and
    ///   [`Full`](ErrorKind::Full) from the store.
    /// * [`Conflict`](ErrorKind::Conflict) if other requests kept saving first.
    /// * [`Interrupted`](ErrorKind::Interrupted) if the session was ended by another request or has
    ///   expired.
    /// * [`TooLarge`](ErrorKind::TooLarge) if the session is larger than the limit.
    /// * [`BadValue`](ErrorKind::BadValue) if another request changed the type of an item that this
    ///   request updated.
    /// * [`Finished`](ErrorKind::Finished) if the request is over.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    ///
    /// let key = session.key().expect("a saved session has a key");
    /// let loaded = sessions.open(&key).await?.expect("the session was saved");
    /// assert_eq!(loaded.get::<String>("theme")?.as_deref(), Some("dark"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn save(&self) -> Result<()> {
        self.lock().check_not_over()?;
        let saved = self.commit(CommitPoint::Save).await;
        if saved.is_err() {
            self.lock().failure_is_known();
        }
        saved
    }

    /// Commits what is due at this point of the request. Runs on its own task: when a browser hangs
    /// up, the future of its request is dropped, and a commit must not stop halfway.
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
                // The replay of an `update` ran a closure of the caller, which panicked. The
                // request panics, too.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::new(
                    ErrorKind::Unavailable,
                    "saving a session: the runtime is shutting down",
                )
                .with_source(error)),
            },
        }
    }

    /// Returns whether a commit has yet to carry out a recorded logout.
    #[cfg(feature = "tower")]
    pub(crate) fn has_logout(&self) -> bool {
        self.lock().has_logout()
    }

    /// Returns whether a commit at this point of the request has anything to do or to wait for.
    #[cfg(feature = "tower")]
    pub(crate) fn has_work(&self, point: CommitPoint) -> bool {
        self.lock().has_work(point, &self.0.core)
    }

    /// The part of [`commit`](Self::commit) that runs while the commit has its turn.
    async fn commit_in_turn(&self, point: CommitPoint) -> Result<()> {
        let core = &self.0.core;
        let mut commit = self.lock().take_commit(point, core);
        self.admit(&mut commit);
        let flushes = commit.flushes;
        // A logout comes first, so that it is carried out and acknowledged even if the rest fails.
        if commit.end(core).await? {
            self.lock().acknowledge_end(flushes);
        }
        let committed = match core.session_limit {
            Some(limit) => Box::pin(commit.run_within(core, limit)).await?,
            None => commit.run(core).await?,
        };
        let Some(mut committed) = committed else {
            return Ok(());
        };
        let replayed = committed.replayed.take();
        self.lock().acknowledge(committed, flushes);
        match replayed {
            Some(record) => self.rebase(&record, flushes),
            None => Ok(()),
        }
    }

    /// Counts a new session of a visitor who is not logged in, or makes the commit fail if the
    /// client has begun too many.
    fn admit(&self, commit: &mut Commit) {
        let core = &self.0.core;
        let client = self.0.scope.as_ref().and_then(|scope| scope.client.get());
        if let (Some(limit), Some(client)) = (&core.new_session_limit, client)
            && let Ok(Plan::Create(write)) = &commit.plan
            && write.draft.meta.owner.is_none()
            && let Err(error) = limit.admit(*client, core.now())
        {
            commit.plan = Err(error);
        }
    }

    /// Replays, on the saved record, the edits that the handler made during the commit. Does
    /// nothing if the handler flushed the session.
    fn rebase(&self, saved: &Record, flushes: u32) -> Result<()> {
        for _ in 0..UPDATE_TRIES {
            let (edits, revision) = {
                let shared = self.lock();
                (shared.edits.clone(), shared.revision)
            };
            let mut record = saved.clone();
            // The replay runs the caller's code, so no lock is held.
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
            "saving a session: the handler kept editing it faster than it could be saved",
        ))
    }
}

/// A commit that is in progress. The response waits until the commit is done. If this value is
/// dropped before `done` is set, a replayed edit has panicked, and the commit has failed.
struct UnderWay {
    session: Session,
    done: bool,
}

impl UnderWay {
    async fn commit(mut self, point: CommitPoint) -> Result<()> {
        // The commits of one session run one after another, even within one request.
        let _turn = self.session.0.turn.lock().await;
        let outcome = self
            .call_limit(point)
            .scope(self.session.commit_in_turn(point));
        let outcome = outcome.await;
        self.done = true;
        self.session.lock().conclude(point, outcome)
    }

    /// Returns the limit of the commit's store calls. A `save` shares the limit of its handler. The
    /// commit after the handler has its own limit, so a logout is sent even if the handler has used
    /// up its time.
    fn call_limit(&self, point: CommitPoint) -> Arc<CallLimit> {
        let Inner { core, scope, .. } = &*self.session.0;
        match (point, scope) {
            (CommitPoint::Save, Some(scope)) => Arc::clone(&scope.call_limit),
            (CommitPoint::Save, None) | (CommitPoint::Finish | CommitPoint::Failed, _) => {
                core.backend.call_limit()
            }
        }
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
