use std::future::Future;

use cloakroom::Result;
use cloakroom::store::Store;

/// A method of [`Store`] whose calls a wrapper can record, hold or make fail.
///
/// [`guarantees`](Store::guarantees) is not among these methods, because it does no I/O. A wrapper
/// does not see the calls that the wrapped store makes on itself. For example, the provided
/// [`rename`](Store::rename) of a store calls `create`, `save` and `delete` of the same store. If
/// such a store is wrapped, the wrapper sees a `Rename`, but no `Create`, `Save` or `Delete`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Call {
    /// [`Store::load`].
    Load,
    /// [`Store::create`].
    Create,
    /// [`Store::save`].
    Save,
    /// [`Store::delete`].
    Delete,
    /// [`Store::rename`].
    Rename,
    /// [`Store::touch`].
    Touch,
    /// [`Store::sweep`].
    Sweep,
    /// [`Store::load_and_touch`].
    LoadAndTouch,
    /// [`Store::owned_by`].
    OwnedBy,
    /// [`Store::revoke_owned`].
    RevokeOwned,
    /// [`Store::scan`].
    Scan,
    /// [`Store::find`].
    Find,
    /// [`Store::ping`].
    Ping,
}

/// The point of a call at which a wrapper acts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum When {
    /// Before the wrapped store is called.
    Before,
    /// After the wrapped store has answered, but before the caller receives the answer.
    After,
}

/// The code that a wrapper runs around each call. [`store_methods`] implements [`Store`] for types
/// that implement this trait.
pub(crate) trait Around: Send + Sync + 'static {
    type Inner: Store;

    fn inner(&self) -> &Self::Inner;

    fn around<T: Send>(
        &self,
        call: Call,
        inner: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        let _ = call;
        inner
    }

    /// Returns whether to answer this call with `Stale` without calling the store.
    fn is_stale(&self, call: Call) -> bool {
        let _ = call;
        false
    }
}

/// Writes the methods of `impl Store` for a type that implements [`Around`].
///
/// This is a macro, because the orphan rule forbids `impl<W: Around> Store for W`.
macro_rules! store_methods {
    () => {
        fn guarantees(&self) -> cloakroom::store::Guarantees {
            self.inner().guarantees()
        }

        async fn load(
            &self,
            key: &cloakroom::StoreKey,
        ) -> cloakroom::Result<Option<cloakroom::store::Entry>> {
            self.around(Call::Load, self.inner().load(key)).await
        }

        async fn create(
            &self,
            key: &cloakroom::StoreKey,
            new: &cloakroom::store::Draft,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Create, async {
                if self.is_stale(Call::Create) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().create(key, new).await
            })
            .await
        }

        async fn save(
            &self,
            key: &cloakroom::StoreKey,
            seen: &cloakroom::store::Version,
            new: &cloakroom::store::Draft,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Save, async {
                if self.is_stale(Call::Save) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().save(key, seen, new).await
            })
            .await
        }

        async fn delete(&self, key: &cloakroom::StoreKey) -> cloakroom::Result<()> {
            self.around(Call::Delete, self.inner().delete(key)).await
        }

        async fn rename(
            &self,
            from: &cloakroom::StoreKey,
            seen: &cloakroom::store::Version,
            to: &cloakroom::StoreKey,
            new: &cloakroom::store::Draft,
            tombstone: Option<&cloakroom::store::Draft>,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Rename, async {
                if self.is_stale(Call::Rename) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().rename(from, seen, to, new, tombstone).await
            })
            .await
        }

        async fn touch(
            &self,
            key: &cloakroom::StoreKey,
            seen: &cloakroom::store::Version,
            meta: &cloakroom::store::Meta,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Touch, async {
                if self.is_stale(Call::Touch) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().touch(key, seen, meta).await
            })
            .await
        }

        async fn sweep(
            &self,
            now: std::time::SystemTime,
            limit: usize,
        ) -> cloakroom::Result<usize> {
            self.around(Call::Sweep, self.inner().sweep(now, limit))
                .await
        }

        async fn load_and_touch(
            &self,
            key: &cloakroom::StoreKey,
            touched: std::time::SystemTime,
            expires: std::time::SystemTime,
        ) -> cloakroom::Result<Option<cloakroom::store::Entry>> {
            let call = self.inner().load_and_touch(key, touched, expires);
            self.around(Call::LoadAndTouch, call).await
        }

        async fn owned_by(
            &self,
            owner: &cloakroom::Owner,
            after: Option<&cloakroom::store::Cursor>,
            limit: usize,
        ) -> cloakroom::Result<cloakroom::store::Page> {
            self.around(Call::OwnedBy, self.inner().owned_by(owner, after, limit))
                .await
        }

        async fn revoke_owned(
            &self,
            owner: &cloakroom::Owner,
            except: Option<&cloakroom::StoreKey>,
            limit: usize,
        ) -> cloakroom::Result<Vec<cloakroom::StoreKey>> {
            let call = self.inner().revoke_owned(owner, except, limit);
            self.around(Call::RevokeOwned, call).await
        }

        async fn scan(
            &self,
            after: Option<&cloakroom::store::Cursor>,
            limit: usize,
        ) -> cloakroom::Result<cloakroom::store::Page> {
            self.around(Call::Scan, self.inner().scan(after, limit))
                .await
        }

        async fn find(&self, prefix: &[u8]) -> cloakroom::Result<Option<cloakroom::StoreKey>> {
            self.around(Call::Find, self.inner().find(prefix)).await
        }

        async fn ping(&self) -> cloakroom::Result<()> {
            self.around(Call::Ping, self.inner().ping()).await
        }
    };
}
pub(crate) use store_methods;
