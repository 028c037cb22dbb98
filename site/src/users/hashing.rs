use std::{error::Error, num::NonZero, sync::Arc, thread};

use cloakroom_django::auth::{Passwords, Verdict};
use tokio::{sync::Semaphore, task};

/// The reason why a password could not be hashed.
#[derive(Debug)]
pub(crate) enum HashingError {
    /// The operating system provided no random numbers for the salt.
    Random(cloakroom::Error),
    /// The hash function panicked, or the program is shutting down.
    Stopped(Box<dyn Error + Send + Sync>),
}

/// Computes password hashes on threads of the blocking pool.
///
/// Computing a hash takes a large part of a second. At most one hash per processor is computed at a
/// time. Requests for further hashes wait, and do not block the requests that need no hash.
#[derive(Clone)]
pub(crate) struct Hashing {
    passwords: Passwords,
    /// One permit, called a turn below, for each processor.
    turns: Arc<Semaphore>,
}

impl Hashing {
    pub(crate) fn new(iterations: u32) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            passwords: Passwords::new().iterations(iterations),
            turns: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Checks `password` against the hash `encoded`. Takes the same time if `encoded` is `None`, so
    /// that the time does not show whether a user exists.
    pub(crate) async fn verify(
        &self,
        password: String,
        encoded: Option<String>,
    ) -> Result<Verdict, HashingError> {
        self.run(move |passwords| match encoded {
            Some(encoded) => passwords.verify(&password, &encoded),
            None => {
                passwords.spend_time(&password);
                Verdict::Wrong
            }
        })
        .await
    }

    /// Returns a new hash of `password`.
    pub(crate) async fn encode(&self, password: String) -> Result<String, HashingError> {
        let encoded = self
            .run(move |passwords| passwords.encode(&password))
            .await?;
        encoded.map_err(HashingError::Random)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Passwords) -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|error| HashingError::Stopped(error.into()))?;
        let passwords = self.passwords.clone();
        let work = task::spawn_blocking(move || {
            // Keep the turn until the work is done. The thread stays busy even if the client has
            // hung up.
            let _turn = turn;
            work(&passwords)
        });
        work.await
            .map_err(|error| HashingError::Stopped(error.into()))
    }
}
