use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::model::{Error, ErrorKind, Result, StoreKey};

/// One line per session, in which its commits wait after a conflict. Without the line, parallel
/// writers would keep losing to each other. With it, even a thousand commits succeed, one after
/// another.
///
/// A turn, here or in a [`Session`](super::Session), is the only lock of this crate that is held
/// across an await. Only commits wait for a turn; reading and editing never do. A session without a
/// conflict has no line.
#[derive(Debug, Default)]
pub(crate) struct CommitQueue(Arc<Mutex<Lines>>);

type Lines = HashMap<StoreKey, Line>;

/// The lock contains the error of a commit that ran into its time limit. The store does not answer,
/// so all commits in the line fail with this error immediately, instead of each waiting for the
/// store in turn.
type Line = Arc<AsyncMutex<Option<Error>>>;

impl CommitQueue {
    /// Waits at the end of the session's line. Creates the line if there is none.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if the turn does not come within [`LONGEST_WAIT`]; the
    /// error of the commit in front if the store did not answer it in time.
    pub(crate) async fn take(&self, store_key: &StoreKey) -> Result<CommitTurn> {
        let line = Arc::clone(lines(&self.0).entry(store_key.clone()).or_default());
        self.wait(store_key, line).await
    }

    /// Waits at the end of the session's line, if there is one.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) async fn join(&self, store_key: &StoreKey) -> Result<Option<CommitTurn>> {
        let line = lines(&self.0).get(store_key).map(Arc::clone);
        match line {
            Some(line) => self.wait(store_key, line).await.map(Some),
            None => Ok(None),
        }
    }

    async fn wait(&self, store_key: &StoreKey, line: Line) -> Result<CommitTurn> {
        // Created before the wait, so that its `drop` removes the line if the wait is given up.
        let mut turn = CommitTurn {
            lines: Arc::clone(&self.0),
            store_key: store_key.clone(),
            guard: None,
        };
        match tokio::time::timeout(LONGEST_WAIT, line.lock_owned()).await {
            Ok(guard) => {
                if let Some(error) = &*guard {
                    return Err(error.clone());
                }
                turn.guard = Some(guard);
                Ok(turn)
            }
            Err(_) => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "saving a session: waited {LONGEST_WAIT:?} behind other requests of the same \
                     visitor; try again"
                ),
            )),
        }
    }
}

/// The right to commit now. When a turn is dropped, the next commit in the line gets its turn.
#[derive(Debug)]
pub(crate) struct CommitTurn {
    lines: Arc<Mutex<Lines>>,
    store_key: StoreKey,
    guard: Option<OwnedMutexGuard<Option<Error>>>,
}

impl CommitTurn {
    /// Makes all commits in the line fail with `error`, because the store does not answer.
    pub(crate) fn fail(&mut self, error: &Error) {
        if let Some(guard) = &mut self.guard {
            **guard = Some(error.clone());
        }
    }
}

impl Drop for CommitTurn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut lines = lines(&self.lines);
        // Every commit in the line holds a clone of the line's `Arc`, and clones are made only
        // while the map is locked. A count of one means that only the map still has a clone.
        if lines
            .get(&self.store_key)
            .is_some_and(|line| Arc::strong_count(line) == 1)
        {
            lines.remove(&self.store_key);
        }
    }
}

fn lines(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest time that a commit waits for its turn. A thousand commits of one session on a slow
/// disk take less.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_exists_only_while_a_commit_is_in_it() {
        let queue = CommitQueue::default();
        let store_key = StoreKey::new(b"one");
        assert!(queue.join(&store_key).await.unwrap().is_none());

        let first = queue.take(&store_key).await.unwrap();
        let second = queue.join(&store_key).await;
        assert_eq!(
            second.unwrap_err().kind(),
            ErrorKind::Conflict,
            "the second commit gives up after the longest wait"
        );
        let (third, ()) = tokio::join!(queue.join(&store_key), async { drop(first) });

        assert!(third.unwrap().is_some());
        assert!(lines(&queue.0).is_empty());
    }
}
