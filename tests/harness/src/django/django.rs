use cloakroom::store::{Outcome, Store, Version};
use cloakroom::{Result, StoreKey};

/// Writes a module with one test for each promise of a store that is Django's cache.
///
/// The first argument is the name of the module, the second an expression for a [`cache::Site`](super::cache::Site) with nothing in it, which
/// is evaluated as that of [`conformance!`](cloakroom_testkit::conformance!) is.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cloakroom::StoreKey;
/// use cloakroom_harness::django::cache;
/// # use cloakroom::store::MemoryStore as Ledger;
///
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
///         todo!("ask the server for {key:?}, past the store")
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
            an_entry_is_djangos_bytes_and_nothing_else
            create_never_overwrites_and_save_never_creates
            what_is_stale_changes_nothing_and_a_touch_makes_nothing_stale
            what_was_deleted_stays_deleted_whatever_is_under_way
            a_thousand_increments_through_two_stores_add_up
            a_session_moves_whole_or_not_at_all
            what_has_no_second_left_is_gone_at_once
            what_django_writes_in_between_is_another_version_and_is_not_lost_by_us
            owners_are_refused_and_nothing_can_be_listed_found_or_swept
        }
    };
}

/// Writes a module with one test for each promise of a store that is Django's table.
///
/// The first argument is the name of the module, the second an expression for a [`table::Site`](super::table::Site) with no rows, which is
/// evaluated as that of [`conformance!`](cloakroom_testkit::conformance!) is.
///
/// # Examples
/// ```
/// use cloakroom_harness::django::table;
/// # use cloakroom::store::MemoryStore as Ledger;
///
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
///         todo!("run {statement} on a connection beside the store")
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
            what_django_saved_meanwhile_is_not_overwritten
            a_save_of_what_is_there_already_is_a_save
            the_columns_of_a_sites_own_model_are_left_alone
            nothing_is_at_a_key_that_the_column_could_not_hold_and_none_is_made_there
            what_the_table_cannot_keep_is_refused_and_changes_nothing
            without_its_table_the_store_says_what_to_do_and_makes_none
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

/// A key as Django makes them.
pub fn key(n: u64) -> StoreKey {
    StoreKey::new(format!("{n:z>32}").as_bytes())
}

/// The version that was written.
///
/// # Panics
/// If nothing was.
#[track_caller]
pub fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}

/// Nothing was written.
///
/// # Panics
/// If something was, or nobody can say.
#[track_caller]
pub fn stale(outcome: Result<Outcome>) {
    assert!(
        matches!(outcome, Ok(Outcome::Stale)),
        "expected `Stale`, got {outcome:?}"
    );
}

/// There is a session with this data.
///
/// # Panics
/// If there is another, or none.
pub async fn holds(store: &impl Store, key: &StoreKey, data: &str) {
    let entry = store.load(key).await.expect("load answers");
    assert_eq!(entry.expect("there is a session").data, data);
}

/// There is no session.
///
/// # Panics
/// If there is one.
pub async fn is_free(store: &impl Store, key: &StoreKey) {
    let entry = store.load(key).await.expect("load answers");
    assert!(entry.is_none(), "there is {entry:?}");
}
