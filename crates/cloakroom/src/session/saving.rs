use super::commit::Committed;
use super::{Round, Session, UPDATE_TRIES};
use crate::{Error, ErrorKind, Result};

/// Saving.
impl Session {
    /// Saves now, instead of when the response is ready: for what must be stored before the handler goes on.
    ///
    /// What it did is told to the browser with the response, whatever the response is. After an error the session
    /// takes no more edits.
    ///
    /// If the future is dropped, the save goes on by itself, and the session sees the result when it is next used.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable), [`Timeout`](ErrorKind::Timeout), [`Full`](ErrorKind::Full) and
    /// [`Conflict`](ErrorKind::Conflict) from the store; [`Interrupted`](ErrorKind::Interrupted) if the session was
    /// ended by another request; [`TooLarge`](ErrorKind::TooLarge) if there is too much in it;
    /// [`BadValue`](ErrorKind::BadValue) if another request changed the type of an item that was updated here.
    pub async fn save(&self) -> Result<()> {
        self.commit(Round::Save).await
    }

    /// Commits what this point of the request asks for, on a task of its own: a browser that hangs up drops the
    /// future of its request, and a commit must not stop halfway.
    pub(crate) async fn commit(&self, round: Round) -> Result<()> {
        if !self.lock().begin(round, &self.0.core) {
            return Ok(());
        }
        let session = self.clone();
        let task = tokio::spawn(async move { session.commit_here(round).await });
        match task.await {
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

    async fn commit_here(&self, round: Round) -> Result<()> {
        // The commits of one session take turns, also within one request.
        let _turn = self.0.turn.lock().await;
        let commit = self.lock().take_commit(round, &self.0.core)?;
        let flushes = commit.flushes;
        match commit.run(&self.0.core).await {
            Ok(committed) => self.acknowledge(committed, flushes),
            Err(error) => {
                self.lock().failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Takes over what the store has acknowledged, under whatever the handler did meanwhile.
    fn acknowledge(&self, committed: Committed, flushes: u32) -> Result<()> {
        for _ in 0..UPDATE_TRIES {
            let (edits, revision) = {
                let desk = self.lock();
                (desk.edits.clone(), desk.revision)
            };
            let mut replayed = committed.replayed.clone();
            if let Some(held) = &mut replayed {
                // The caller's code, and no lock is held.
                edits.replay(held)?;
            }
            let mut desk = self.lock();
            if desk.revision == revision {
                desk.acknowledge(committed, replayed, flushes);
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "saving a session: the handler went on editing it faster than it could be saved",
        ))
    }
}
