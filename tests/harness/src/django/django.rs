use cloakroom::store::{Outcome, Store, Version};
use cloakroom::{Result, StoreKey};

/// Generates a module with one test for each promise of a store on Django's cache.
///
/// The first argument is the name of the module. The second is an expression for a
/// [`cache::Site`](super::cache::Site) that has no sessions yet. The expression is evaluated once
/// for each test and may `.await`.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cloakroom::StoreKey;
/// use cloakroom_harness::django::cache;
/// # use cloakroom::store::MemoryStore as Ledger;
///
/// // `Ledger` is the store to test.
/// struct Site(Arc<Ledger>);
///
/// impl cache::Site for Site {
///     type Cache = Arc<Ledger>;
///
///     fn cache(&self) -> Arc<Ledger> {
///         self.0.clone()
///     }
/// #   async fn open(&self) -> Arc<Ledger> { self.0.clone() }
///
///     async fn get(&mut self, key: &StoreKey) -> Vec<u8> {
///         todo!("read {key:?} from the server, without the store")
///     }
///     // …
/// #   async fn set(&mut self, key: &StoreKey, data: &[u8], secs: i64) {}
/// #   async fn left(&mut self, key: &StoreKey) -> i64 { 0 }
/// }
///
/// cloakroom_harness::django_cache!(djangos_cache_in_a_ledger, Site(Arc::new(Ledger::new())));
/// ```
#[macro_export]
macro_rules! django_cache {
    ($name:ident, $site:expr $(,)?) => {
        $crate::__django! {
            [$name, $site, cache]
            only_the_data_of_an_entry_is_stored
            create_never_overwrites_and_save_never_creates
            a_stale_write_changes_nothing_and_a_touch_makes_no_save_stale
            a_deleted_session_is_not_restored_by_concurrent_requests
            a_thousand_increments_through_two_stores_add_up
            a_rename_moves_the_whole_session_or_nothing
            a_session_with_less_than_a_second_left_is_gone_at_once
            data_that_django_writes_concurrently_is_not_overwritten
            owners_are_refused_and_lists_and_find_are_unsupported
        }
    };
}

/// Generates a module with one test for each promise of a store on Django's table.
///
/// The first argument is the name of the module. The second is an expression for a
/// [`table::Site`](super::table::Site) whose table is empty. The expression is evaluated once for
/// each test and may `.await`.
///
/// # Examples
/// ```
/// use cloakroom_harness::django::table;
/// # use cloakroom::store::MemoryStore as Ledger;
///
/// // `Ledger` is the store to test.
/// struct Site(Ledger);
///
/// impl table::Site for Site {
///     type Table = Ledger;
///
///     fn store(&self) -> &Ledger {
///         &self.0
///     }
/// #   fn table(&self) -> &str { "django_session" }
/// #   async fn migrate(&self) -> cloakroom::Result<()> { Ok(()) }
///
///     async fn run(&mut self, statement: &str) {
///         todo!("run {statement} on a connection that is not the store's")
///     }
///     // …
/// #   async fn ask(&mut self, question: &str) -> String { String::new() }
/// }
///
/// cloakroom_harness::django_table!(djangos_table_in_a_ledger, Site(Ledger::new()));
/// ```
#[macro_export]
macro_rules! django_table {
    ($name:ident, $site:expr $(,)?) => {
        $crate::__django! {
            [$name, $site, table]
            a_concurrent_save_of_django_is_not_overwritten
            a_save_of_equal_data_is_written
            additional_columns_of_the_table_are_left_alone
            a_key_that_does_not_fit_the_column_has_no_session_and_is_refused
            an_entry_that_the_table_cannot_store_is_refused_and_changes_nothing
            a_missing_table_is_reported_and_not_created
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __django {
    ([$name:ident, $site:expr, $kind:ident] $($promise:ident)+) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[test]
                fn $promise() {
                    $crate::__run(stringify!($promise), async || {
                        let mut site = $site;
                        $crate::django::$kind::$promise(&mut site).await;
                    });
                }
            )+
        }
    };
}

/// Returns a store key with the length and alphabet of Django's session keys.
pub fn key(n: u64) -> StoreKey {
    StoreKey::new(format!("{n:z>32}").as_bytes())
}

/// Returns the version that was written.
///
/// # Panics
/// If the outcome is not `Written`.
#[track_caller]
pub fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}

/// Asserts that the outcome is `Stale`.
///
/// # Panics
/// If the outcome is not `Stale`.
#[track_caller]
pub fn stale(outcome: Result<Outcome>) {
    assert!(
        matches!(outcome, Ok(Outcome::Stale)),
        "expected `Stale`, got {outcome:?}"
    );
}

/// Asserts that `key` has a session with this data.
///
/// # Panics
/// If `key` has no session, or one with other data.
pub async fn holds(store: &impl Store, key: &StoreKey, data: &str) {
    let entry = store.load(key).await.expect("load answers");
    assert_eq!(entry.expect("there is a session").data, data);
}

/// Asserts that `key` has no session.
///
/// # Panics
/// If `key` has a session.
pub async fn is_free(store: &impl Store, key: &StoreKey) {
    let entry = store.load(key).await.expect("load answers");
    assert!(entry.is_none(), "the key has a session: {entry:?}");
}
