use std::{num::NonZero, sync::Arc, thread};

use cloakroom_django::auth::{Passwords, Verdict};
use tokio::{sync::Semaphore, task};

use crate::web::error::PageError;

/// Password hashes, computed beside the requests. Each costs a good part of a second, so only as many run at once as
/// there are processors; the others wait their turn without holding up any page.
#[derive(Clone)]
pub(crate) struct Hashing {
    passwords: Passwords,
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

    /// Whether `password` is the one whose hash is `encoded`. A user who is not there takes as long.
    pub(crate) async fn verify(
        &self,
        password: String,
        encoded: Option<String>,
    ) -> Result<Verdict, PageError> {
        self.run(move |passwords| match encoded {
            Some(encoded) => passwords.verify(&password, &encoded),
            None => {
                passwords.spend_time(&password);
                Verdict::Wrong
            }
        })
        .await
    }

    /// A new hash.
    pub(crate) async fn encode(&self, password: String) -> Result<String, PageError> {
        let encoded = self
            .run(move |passwords| passwords.encode(&password))
            .await?;
        Ok(encoded?)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Passwords) -> T + Send + 'static,
    ) -> Result<T, PageError> {
        let internal = |error| PageError::Internal(error);
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|error| internal(error.into()))?;
        let passwords = self.passwords.clone();
        let work = task::spawn_blocking(move || {
            // Kept until the work is done, also if the visitor has hung up.
            let _turn = turn;
            work(&passwords)
        });
        work.await.map_err(|error| internal(error.into()))
    }
}
