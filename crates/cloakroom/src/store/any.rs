use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use super::guarantees::Guarantees;
use super::store::Store;
use crate::model::{Cursor, Draft, Entry, Meta, Outcome, Owner, Page, Result, StoreKey, Version};

/// A store that was chosen at run time.
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
    /// Hides which store this is.
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

/// The type of an argument, with the lifetime of what it borrows if there has to be one.
macro_rules! argument {
    ($($life:lifetime)? by_ref $type:ty) => { &$($life)? $type };
    ($($life:lifetime)? maybe $type:ty) => { Option<&$($life)? $type> };
    ($($life:lifetime)? by_value $type:ty) => { $type };
}

/// Writes the operations of [`Store`] out for each type that only passes them on: a trait object needs boxed futures,
/// and a shared store is a store.
macro_rules! pass_on {
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

        /// A shared store is a store, so that a test can keep a reference to it.
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

pass_on! {
    load(key: by_ref StoreKey) -> Option<Entry>;
    create(key: by_ref StoreKey, new: by_ref Draft) -> Outcome;
    save(key: by_ref StoreKey, seen: by_ref Version, new: by_ref Draft) -> Outcome;
    delete(key: by_ref StoreKey) -> ();
    rename(
        from: by_ref StoreKey, seen: by_ref Version, to: by_ref StoreKey, new: by_ref Draft
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
