use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::tier::{LOADING, Tier};
use crate::model::{Entry, Error, ErrorKind, Result, StoreKey};

/// The loads that are in progress behind a cache. Requests that need the same entry at the same
/// time share one load.
///
/// No request joins a load that was sent before a write of the entry was answered in this process:
/// it could get the entry from before the write. So every write calls [`forget`](Self::forget)
/// after its answer.
#[derive(Clone, Default)]
pub(super) struct Loads(Arc<Mutex<HashMap<StoreKey, Load>>>);

type Load = Arc<OnceCell<Result<Option<Entry>>>>;

impl Loads {
    /// Returns the answer of the load of `key` that is in progress. If there is none, starts `load`
    /// on its own task, so that it has its own time limit and continues if the caller drops its
    /// future.
    pub(super) async fn join<L>(
        &self,
        origin: &Tier,
        key: &StoreKey,
        load: impl FnOnce() -> L,
    ) -> Result<Option<Entry>>
    where
        L: Future<Output = Result<Option<Entry>>> + Send + 'static,
    {
        let joined = Joined {
            load: Arc::clone(self.loads().entry(key.clone()).or_default()),
            loads: self,
            key,
        };
        let answered = joined.load.get_or_init(|| async {
            let loading = tokio::spawn(load());
            loading.await.unwrap_or_else(|source| {
                let stopped = "loading a session: the runtime is shutting down";
                Err(Error::new(ErrorKind::Unavailable, stopped).with_source(source))
            })
        });
        let answered = async { answered.await.clone() };
        origin.within(LOADING, answered).await
    }

    /// Lets no further request join the load of `key` that is in progress.
    pub(super) fn forget(&self, key: &StoreKey) {
        self.loads().remove(key);
    }

    fn loads(&self) -> MutexGuard<'_, HashMap<StoreKey, Load>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load that a request has joined. Once the first of its requests is done, no further request
/// joins it.
struct Joined<'a> {
    load: Load,
    loads: &'a Loads,
    key: &'a StoreKey,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        let mut loads = self.loads.loads();
        if (loads.get(self.key)).is_some_and(|current| Arc::ptr_eq(current, &self.load)) {
            loads.remove(self.key);
        }
    }
}
