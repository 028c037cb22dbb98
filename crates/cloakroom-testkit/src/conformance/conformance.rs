use cloakroom::store::Store;

use super::*;

/// Generates a module with one test for each promise of a store.
///
/// * The first argument is the name of the module.
/// * The second is an expression for an empty store. It is evaluated once for each test, may
///   `.await`, and can use everything in scope at the macro call. If a guard, such as a temporary
///   folder, must not be dropped before the store, wrap the store and the guard in a [`Keep`].
/// * The optional third is `swept_by_backend`, for a store whose [`sweep`](Store::sweep) does
///   nothing because its backend deletes expired entries. With this argument, the module contains
///   [`sweep_keeps_unexpired_entries`] instead of the other tests of `sweep`.
///
/// Each test has its own multi-threaded runtime, and fails if it takes longer than [`TIME_LIMIT`].
///
/// # Examples
/// ```
/// use cloakroom::store::MemoryStore;
///
/// cloakroom_testkit::conformance!(memory, MemoryStore::new());
/// ```
/// A store that is opened asynchronously in a temporary folder:
/// ```
/// use cloakroom::store::MemoryStore;
/// use cloakroom_testkit::conformance::Keep;
///
/// # struct TempDir;
/// # impl TempDir { fn new() -> Self { Self } }
/// # async fn open(_: &TempDir) -> cloakroom::Result<MemoryStore> { Ok(MemoryStore::new()) }
/// cloakroom_testkit::conformance!(on_disk, {
///     let folder = TempDir::new();
///     Keep::new(open(&folder).await.expect("an empty folder can be opened"), folder)
/// });
/// ```
#[macro_export]
macro_rules! conformance {
    ($name:ident, $store:expr $(,)?) => {
        $crate::__promises! { [$crate::__tests_of_one] [$name, $store] }
    };
    ($name:ident, $store:expr, swept_by_backend $(,)?) => {
        $crate::__promises_but_of_sweeping! {
            [$crate::__tests_of_one] [$name, $store] sweep_keeps_unexpired_entries
        }
    };
}

/// Generates a module with one test for each promise about two stores on the same entries.
///
/// Use this macro for a store that several processes can share, and open the store twice. The
/// arguments are the first two of [`conformance!`](crate::conformance!), but the expression returns
/// a pair of stores, whose types may differ. If a guard must not be dropped before both stores, put
/// the guard into an [`Arc`](std::sync::Arc) and wrap each store in a [`Keep`]. The promises are
/// the functions of [`shared`].
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cloakroom::store::MemoryStore;
///
/// cloakroom_testkit::conformance_shared!(memory, {
///     let store = Arc::new(MemoryStore::new());
///     (store.clone(), store)
/// });
/// ```
#[macro_export]
macro_rules! conformance_shared {
    ($name:ident, $stores:expr $(,)?) => {
        $crate::__tests_of_two! {
            [$name, $stores]
            a_create_through_one_is_loaded_through_the_other
            a_save_through_one_is_stale_for_the_other
            a_delete_through_one_is_seen_by_the_other
            a_rename_through_one_is_stale_for_the_other
            concurrent_increments_through_both_add_up
            one_of_parallel_requests_through_both_takes_an_item
            a_logout_through_one_is_not_undone_by_saves_through_the_other
            a_logout_through_one_ends_requests_in_progress_through_the_other
        }
    };
}

/// Tests every promise of a store, one after the other.
///
/// `open` returns an empty store each time. There is no time limit.
///
/// # Panics
/// At the first broken promise.
///
/// # Examples
/// ```
/// use cloakroom::store::MemoryStore;
/// use cloakroom_testkit::conformance;
///
/// conformance::run("every promise", || conformance::all(async || MemoryStore::new()));
/// ```
pub async fn all<S: Store>(open: impl AsyncFn() -> S) {
    macro_rules! test_each {
        ([] $($promise:ident)+) => { $( $promise(open().await).await; )+ };
    }
    crate::__promises! { [test_each] [] }
}

/// Passes the names of all promises to another macro. The names are listed only here and in the
/// next macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __promises {
    ([$($then:tt)+] [$($given:tt)*]) => {
        $crate::__promises_but_of_sweeping! {
            [$($then)+]
            [$($given)*]
            sweep_deletes_exactly_the_expired
            sweep_respects_its_limit
            repeated_sweeps_delete_all_expired
            sweep_uses_the_latest_expiry
            expired_entries_stay_until_they_are_swept
            sweep_deletes_expired_tombstones
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __promises_but_of_sweeping {
    ([$($then:tt)+] [$($given:tt)*] $($of_sweeping:ident)*) => {
        $($then)+! {
            [$($given)*]
            a_created_entry_is_loaded_unchanged
            an_entry_created_without_an_owner_has_no_owner
            create_never_overwrites
            exactly_one_of_concurrent_creates_wins
            a_thousand_concurrent_creates_all_succeed
            a_ping_is_answered
            save_replaces_the_whole_entry
            save_leaves_other_entries_alone
            save_never_creates
            a_stale_save_changes_nothing
            each_save_makes_earlier_versions_stale
            an_entry_saved_with_a_past_expiry_can_be_deleted
            a_version_is_valid_only_for_its_own_entry
            a_deleted_entry_stays_deleted
            delete_leaves_other_entries_alone
            deleting_a_missing_entry_succeeds
            a_recreated_entry_rejects_old_versions
            rename_moves_the_entry_once
            a_renamed_entry_can_be_saved_and_deleted
            rename_makes_the_old_version_stale
            rename_never_overwrites
            a_stale_rename_changes_nothing
            rename_never_creates
            exactly_one_of_concurrent_renames_wins
            exactly_one_of_a_concurrent_rename_and_save_wins
            rename_leaves_the_tombstone
            a_stale_rename_leaves_no_tombstone
            concurrent_renames_leave_the_tombstone_of_the_winner
            a_tombstone_is_in_no_list
            touch_changes_only_touched_and_expires
            touch_makes_no_save_stale
            a_stale_touch_changes_nothing
            touch_never_creates
            every_byte_survives
            empty_data_survives
            large_data_survives
            an_entry_at_all_limits_survives
            unusual_text_survives
            times_survive
            store_keys_are_bytes
            store_keys_may_have_any_length
            owned_by_lists_exactly_the_owners_entries
            owners_are_compared_exactly
            owned_by_agrees_with_load_and_sweep
            revoke_owned_deletes_the_owners_entries_in_batches
            scan_lists_every_entry
            find_returns_the_only_key_with_the_prefix
            concurrent_increments_add_up
            one_of_parallel_requests_takes_an_item
            a_logout_is_not_undone_by_concurrent_saves
            a_dropped_create_is_all_or_nothing
            a_dropped_save_is_all_or_nothing
            a_dropped_touch_is_all_or_nothing
            a_dropped_delete_is_all_or_nothing
            a_dropped_rename_leaves_the_old_or_the_new
            $($of_sweeping)*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_one {
    ([$name:ident, $store:expr] $($promise:ident)+) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[test]
                fn $promise() {
                    $crate::conformance::run(stringify!($promise), async || {
                        let store = $store;
                        $crate::conformance::$promise(store).await;
                    });
                }
            )+
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_two {
    ([$name:ident, $stores:expr] $($promise:ident)+) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[test]
                fn $promise() {
                    $crate::conformance::run(stringify!($promise), async || {
                        let (one, other) = $stores;
                        $crate::conformance::shared::$promise(one, other).await;
                    });
                }
            )+
        }
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cloakroom::store::{AnyStore, MemoryStore};

    crate::conformance!(memory, MemoryStore::new());
    crate::conformance!(chosen_at_run_time, AnyStore::new(MemoryStore::new()));
    crate::conformance!(
        memory_with_a_guard,
        crate::conformance::Keep::new(MemoryStore::new(), "a guard")
    );
    crate::conformance!(swept_by_its_backend, MemoryStore::new(), swept_by_backend);

    crate::conformance_shared!(two_handles_to_one_memory_store, {
        let store = Arc::new(MemoryStore::new());
        (store.clone(), store)
    });
}
