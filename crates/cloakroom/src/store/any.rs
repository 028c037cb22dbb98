use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use super::guarantees::Guarantees;
use super::store::Store;
use crate::model::{Cursor, Draft, Entry, Meta, Outcome, Owner, Page, Result, StoreKey, Version};

/// A store whose type is chosen at run time.
///
/// Every call costs one boxed future. Cheap to clone; clones refer to the same store.
///
/// # Examples
/// ```
/// use cloakroom::store::{AnyStore, MemoryStore, Store};
///
/// let stores = [AnyStore::new(MemoryStore::new()), AnyStore::new(MemoryStore::new())];
/// assert!(stores.iter().all(|store| store.guarantees().compares));
/// ```
#[derive(Clone)]
pub struct AnyStore(Arc<dyn DynStore>);

impl AnyStore {
    /// Erases the type of `store`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::{AnyStore, MemoryStore, Store};
    ///
    /// let store = AnyStore::new(MemoryStore::new());
    /// assert_eq!(store.guarantees(), MemoryStore::new().guarantees());
    /// ```
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore")
            .field(&Store::guarantees(self))
            .finish()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Expands to the type of an argument. If a lifetime is given, a reference gets that lifetime.
macro_rules! argument {
    ($($life:lifetime)? by_ref $type:ty) => { &$($life)? $type };
    ($($life:lifetime)? maybe $type:ty) => { Option<&$($life)? $type> };
    ($($life:lifetime)? by_value $type:ty) => { $type };
}

/// Implements the operations of [`Store`] for the types that delegate to another store.
macro_rules! delegate {
    ($($operation:ident($($name:ident: $kind:ident $type:ty),*) -> $answer:ty;)+) => {
        /// [`Store`] as a trait object: the same operations, with boxed futures.
        trait DynStore: Send + Sync {
            fn guarantees(&self) -> Guarantees;
            $(fn $operation<'a>(
                &'a self,
                $($name: argument!('a $kind $type)),*
            ) -> Boxed<'a, $answer>;)+
        }

        impl<S: Store> DynStore for S {
            fn guarantees(&self) -> Guarantees {
                Store::guarantees(self)
            }

            $(fn $operation<'a>(
                &'a self,
                $($name: argument!('a $kind $type)),*
            ) -> Boxed<'a, $answer> {
                Box::pin(Store::$operation(self, $($name),*))
            })+
        }

        impl Store for AnyStore {
            fn guarantees(&self) -> Guarantees {
                self.0.guarantees()
            }

            $(async fn $operation(&self, $($name: argument!($kind $type)),*) -> Result<$answer> {
                self.0.$operation($($name),*).await
            })+
        }

        /// Delegates to the shared store, so that a program can still use a store that it has
        /// passed to [`Sessions`](crate::Sessions).
        impl<S: Store> Store for Arc<S> {
            fn guarantees(&self) -> Guarantees {
                S::guarantees(self)
            }

            $(async fn $operation(&self, $($name: argument!($kind $type)),*) -> Result<$answer> {
                S::$operation(self, $($name),*).await
            })+
        }
    };
}

delegate! {
    load(key: by_ref StoreKey) -> Option<Entry>;
    create(key: by_ref StoreKey, new: by_ref Draft) -> Outcome;
    save(key: by_ref StoreKey, seen: by_ref Version, new: by_ref Draft) -> Outcome;
    delete(key: by_ref StoreKey) -> ();
    rename(
        from: by_ref StoreKey, seen: by_ref Version, to: by_ref StoreKey, new: by_ref Draft,
        tombstone: maybe Draft
    ) -> Outcome;
    touch(key: by_ref StoreKey, seen: by_ref Version, meta: by_ref Meta) -> Outcome;
    load_and_touch(
        key: by_ref StoreKey, touched: by_value SystemTime, expires: by_value SystemTime
    ) -> Option<Entry>;
    sweep(now: by_value SystemTime, limit: by_value usize) -> usize;
    owned_by(owner: by_ref Owner, after: maybe Cursor, limit: by_value usize) -> Page;
    revoke_owned(
        owner: by_ref Owner, except: maybe StoreKey, limit: by_value usize
    ) -> Vec<StoreKey>;
    scan(after: maybe Cursor, limit: by_value usize) -> Page;
    find(prefix: by_ref [u8]) -> Option<StoreKey>;
    ping() -> ();
}
