use std::future::Future;

use cloakroom::Result;
use cloakroom::store::Store;

/// A kind of call to a store.
///
/// [`guarantees`](Store::guarantees) is none: it asks nothing of the backend. What a store's methods call on the
/// store itself, as the provided [`rename`](Store::rename) does, is not seen by a wrapper around it.
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

/// Which side of a call to the store that is wrapped.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum When {
    /// The store has not been asked.
    Before,
    /// The store has answered, and its caller does not know it yet.
    After,
}

/// What a wrapper does around each call; [`store_methods`] makes a [`Store`] of it.
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

    /// Whether this call is answered with `Stale` and the store not asked.
    fn is_stale(&self, call: Call) -> bool {
        let _ = call;
        false
    }
}

/// The methods of `impl Store` for a type that is [`Around`] another store.
///
/// A macro, since the orphan rule allows no `impl<W: Around> Store for W`.
macro_rules! store_methods {
    () => {
        fn guarantees(&self) -> cloakroom::store::Guarantees {
            self.inner().guarantees()
        }

        async fn load(
            &self,
            at: &cloakroom::StoreKey,
        ) -> cloakroom::Result<Option<cloakroom::store::Entry>> {
            self.around(Call::Load, self.inner().load(at)).await
        }

        async fn create(
            &self,
            at: &cloakroom::StoreKey,
            new: &cloakroom::store::Draft,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Create, async {
                if self.is_stale(Call::Create) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().create(at, new).await
            })
            .await
        }

        async fn save(
            &self,
            at: &cloakroom::StoreKey,
            seen: &cloakroom::store::Version,
            new: &cloakroom::store::Draft,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Save, async {
                if self.is_stale(Call::Save) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().save(at, seen, new).await
            })
            .await
        }

        async fn delete(&self, at: &cloakroom::StoreKey) -> cloakroom::Result<()> {
            self.around(Call::Delete, self.inner().delete(at)).await
        }

        async fn rename(
            &self,
            from: &cloakroom::StoreKey,
            seen: &cloakroom::store::Version,
            to: &cloakroom::StoreKey,
            new: &cloakroom::store::Draft,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Rename, async {
                if self.is_stale(Call::Rename) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().rename(from, seen, to, new).await
            })
            .await
        }

        async fn touch(
            &self,
            at: &cloakroom::StoreKey,
            seen: &cloakroom::store::Version,
            meta: &cloakroom::store::Meta,
        ) -> cloakroom::Result<cloakroom::store::Outcome> {
            self.around(Call::Touch, async {
                if self.is_stale(Call::Touch) {
                    return Ok(cloakroom::store::Outcome::Stale);
                }
                self.inner().touch(at, seen, meta).await
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
