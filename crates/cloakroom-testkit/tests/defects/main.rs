//! Tests the conformance suite: for each promise there is a store with a defect that breaks the
//! promise, and the test of the promise must fail on that store.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::catch_unwind;

use cloakroom_testkit::conformance::{run, shared, *};
use cloakroom_testkit::{conformance, conformance_shared};

mod broken;
use broken::{Broken, Defect};

conformance!(without_a_defect, Broken::new(Defect::Flawless));
conformance_shared!(two_stores_without_a_defect, Broken::twice(Defect::Flawless));

#[test]
fn every_defect_is_found_by_the_tests_of_the_promises_that_it_breaks() {
    for case in cases() {
        let message = case.failure();
        let Case {
            defect, promise, ..
        } = case;
        println!("{defect:?}: {promise}\n    {message}");
        assert!(
            !message.contains("not done after"),
            "{promise} hangs on a store with the defect {defect:?}"
        );
    }
}

#[test]
fn defects_are_found_in_a_store_that_keeps_only_text() {
    for case in text_cases() {
        let _ = case.failure();
    }
}

#[test]
fn defects_are_found_in_a_store_that_keeps_only_bytes() {
    for case in bytes_cases() {
        let _ = case.failure();
    }
}

#[test]
fn every_promise_is_broken_by_at_least_one_defect() {
    macro_rules! names {
        ([] $($promise:ident)+) => { BTreeSet::from([$(stringify!($promise)),+]) };
    }
    let promises = cloakroom_testkit::__promises! { [names] [] };
    let broken: BTreeSet<&str> = cases().iter().map(|case| case.promise).collect();

    let unbroken: Vec<_> = promises.difference(&broken).collect();
    assert!(
        unbroken.is_empty(),
        "no defect breaks these promises: {unbroken:?}"
    );
}

/// A defect, and the test of a promise. The test must fail on a store with the defect.
struct Case {
    defect: Defect,
    promise: &'static str,
    test: fn(Defect),
}

impl Case {
    /// Runs the test and returns the message with which it fails.
    fn failure(&self) -> String {
        let Err(panic) = catch_unwind(|| (self.test)(self.defect)) else {
            panic!(
                "{} passes on a store with the defect {:?}",
                self.promise, self.defect
            );
        };
        message(&*panic).to_owned()
    }
}

/// Turns a list of defects, each with the promises that it breaks, into cases. Each case uses one
/// store.
macro_rules! one {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Case {
            defect: Defect::$defect,
            promise: stringify!($promise),
            test: |defect| run(stringify!($promise), move || $promise(Broken::new(defect))),
        }),+),+]
    };
}

/// Like [`one`], but wraps the store in [`OnlyBytes`].
macro_rules! bytes {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Case {
            defect: Defect::$defect,
            promise: stringify!($promise),
            test: |defect| run(stringify!($promise), move || {
                $promise(OnlyBytes::new(Broken::new(defect)))
            }),
        }),+),+]
    };
}

/// Like [`one`], but wraps the store in [`OnlyText`].
macro_rules! text {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Case {
            defect: Defect::$defect,
            promise: stringify!($promise),
            test: |defect| run(stringify!($promise), move || {
                $promise(OnlyText::new(Broken::new(defect)))
            }),
        }),+),+]
    };
}

/// Like [`one`], but each case uses two stores on the same entries.
macro_rules! two {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Case {
            defect: Defect::$defect,
            promise: stringify!($promise),
            test: |defect| run(stringify!($promise), move || {
                let (one, other) = Broken::twice(defect);
                shared::$promise(one, other)
            }),
        }),+),+]
    };
}

fn cases() -> Vec<Case> {
    let mut cases = one! {
        AcceptsVersionsOfOtherEntries => a_version_is_valid_only_for_its_own_entry;
        CountsVersionsFromOne => a_recreated_entry_rejects_old_versions;
        CreateChecksThenWrites => exactly_one_of_concurrent_creates_wins;
        CreateOverwrites => create_never_overwrites, exactly_one_of_concurrent_creates_wins;
        CreateWritesInTwoSteps => a_dropped_create_is_all_or_nothing;
        TruncatesDataAt64K => large_data_survives;
        TruncatesDataAtNul => every_byte_survives;
        TruncatesLabels => unusual_text_survives, an_entry_at_all_limits_survives;
        TruncatesStoreKeys => store_keys_are_bytes;
        DeletedEntriesAreListed =>
            owned_by_lists_exactly_the_owners_entries, owned_by_agrees_with_load_and_sweep;
        SaveRevivesDeletedEntries =>
            a_deleted_entry_stays_deleted,
            a_logout_is_not_undone_by_concurrent_saves;
        DeleteOfAMissingEntryFails => deleting_a_missing_entry_succeeds;
        DeleteDeletesAll => delete_leaves_other_entries_alone;
        DeleteWritesInTwoSteps => a_dropped_delete_is_all_or_nothing;
        DropsLabels => a_created_entry_is_loaded_unchanged;
        ExpiredEntriesCannotBeDeleted => an_entry_saved_with_a_past_expiry_can_be_deleted;
        FindIgnoresCase => find_returns_the_only_key_with_the_prefix;
        FindReturnsTheFirst => find_returns_the_only_key_with_the_prefix;
        KeepsFewEntries => a_thousand_concurrent_creates_all_succeed;
        KeepsWholeSeconds => times_survive, a_created_entry_is_loaded_unchanged;
        ListsOwnersWithoutDeclaringIt => owned_by_lists_exactly_the_owners_entries;
        LoadHidesTheEmpty => empty_data_survives;
        LoadHidesTheExpired => expired_entries_stay_until_they_are_swept;
        LowercasesStoreKeys => store_keys_are_bytes;
        KeepsNoOwnerAsEmpty => an_entry_created_without_an_owner_has_no_owner;
        NeverChangesVersions =>
            each_save_makes_earlier_versions_stale,
            concurrent_increments_add_up;
        OwnersIgnoreCase => owners_are_compared_exactly;
        PingFails => a_ping_is_answered;
        RefusesStoreKeysOtherThanHashes => store_keys_may_have_any_length;
        RenameChecksThenWrites =>
            exactly_one_of_concurrent_renames_wins,
            concurrent_renames_leave_the_tombstone_of_the_winner,
            exactly_one_of_a_concurrent_rename_and_save_wins;
        RenameCreates => rename_never_creates, a_deleted_entry_stays_deleted;
        RenameDropsTheOwner =>
            owned_by_lists_exactly_the_owners_entries,
            rename_moves_the_entry_once;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameKeepsTheOld => rename_moves_the_entry_once, rename_makes_the_old_version_stale;
        RenameOverwrites => rename_never_overwrites;
        RenameForgetsTheTombstone => rename_leaves_the_tombstone;
        RenameReturnsAnotherVersion => a_renamed_entry_can_be_saved_and_deleted;
        RevokeDeletesTheKept => revoke_owned_deletes_the_owners_entries_in_batches;
        RevokeIgnoresItsLimit => revoke_owned_deletes_the_owners_entries_in_batches;
        RevokeOmitsKeys => revoke_owned_deletes_the_owners_entries_in_batches;
        ScanListsTombstones => a_tombstone_is_in_no_list;
        ScanSkipsSessionsWithoutOwner => scan_lists_every_entry;
        StaleRenamesLeaveATombstone => a_stale_rename_leaves_no_tombstone;
        TombstonesBelongToTheOwner => rename_leaves_the_tombstone, a_tombstone_is_in_no_list;
        RenameDeletesThenCreates => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites =>
            concurrent_increments_add_up, a_logout_is_not_undone_by_concurrent_saves,
            one_of_parallel_requests_takes_an_item,
            exactly_one_of_a_concurrent_rename_and_save_wins;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveKeepsTheMeta => save_replaces_the_whole_entry;
        SaveReturnsAnotherVersion => save_replaces_the_whole_entry;
        SaveUpserts => save_never_creates, a_deleted_entry_stays_deleted;
        SaveWritesEverywhere => save_leaves_other_entries_alone;
        SaveWritesMetaWhenStale => a_stale_save_changes_nothing;
        SaveWritesInTwoSteps => a_dropped_save_is_all_or_nothing;
        DeclaresASmallerMaxSize => large_data_survives;
        SweepUsesTheFirstExpiry => sweep_uses_the_latest_expiry;
        SweepIgnoresItsLimit => sweep_respects_its_limit;
        SweepKeepsWhatExpiresNow => sweep_deletes_exactly_the_expired;
        SweepMiscounts => repeated_sweeps_delete_all_expired;
        SweepDeletesUnexpired => sweep_deletes_exactly_the_expired, sweep_keeps_unexpired_entries;
        SweepKeepsTombstones => sweep_deletes_expired_tombstones;
        SweepWorksOnce => repeated_sweeps_delete_all_expired;
        RefusesLargeData => large_data_survives;
        RefusesLongOwners => an_entry_at_all_limits_survives;
        RefusesMoreThan8M => an_entry_at_all_limits_survives;
        TouchBumpsTheVersion => touch_changes_only_touched_and_expires, touch_makes_no_save_stale;
        TouchCreates => touch_never_creates, a_deleted_entry_stays_deleted;
        TouchIgnoresTheVersion => a_stale_touch_changes_nothing;
        TouchWritesTheWholeMeta => touch_changes_only_touched_and_expires;
        TouchWritesInTwoSteps => a_dropped_touch_is_all_or_nothing;
        TrimsStoreKeys => store_keys_are_bytes;
    };
    cases.extend(two! {
        SaveUpserts => a_logout_through_one_ends_requests_in_progress_through_the_other;
        CachesForever =>
            a_create_through_one_is_loaded_through_the_other,
            a_save_through_one_is_stale_for_the_other,
            a_delete_through_one_is_seen_by_the_other,
            a_rename_through_one_is_stale_for_the_other,
            concurrent_increments_through_both_add_up;
        SaveChecksThenWrites =>
            concurrent_increments_through_both_add_up,
            one_of_parallel_requests_through_both_takes_an_item,
            a_logout_through_one_is_not_undone_by_saves_through_the_other;
    });
    cases
}

fn text_cases() -> Vec<Case> {
    text! {
        CreateChecksThenWrites => exactly_one_of_concurrent_creates_wins;
        CreateOverwrites => create_never_overwrites;
        TruncatesDataAt64K => large_data_survives;
        DeleteDeletesAll => delete_leaves_other_entries_alone;
        KeepsFewEntries => a_thousand_concurrent_creates_all_succeed;
        KeepsWholeSeconds => times_survive;
        LoadHidesTheEmpty => empty_data_survives;
        LoadHidesTheExpired => expired_entries_stay_until_they_are_swept;
        NeverChangesVersions => concurrent_increments_add_up;
        RenameChecksThenWrites => exactly_one_of_concurrent_renames_wins;
        RenameCreates => rename_never_creates;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameKeepsTheOld => rename_moves_the_entry_once;
        RenameOverwrites => rename_never_overwrites;
        RenameDeletesThenCreates => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites =>
            concurrent_increments_add_up,
            a_logout_is_not_undone_by_concurrent_saves;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveKeepsTheMeta => save_replaces_the_whole_entry;
        SaveUpserts => save_never_creates, a_deleted_entry_stays_deleted;
        SaveWritesEverywhere => save_leaves_other_entries_alone;
        SaveWritesMetaWhenStale => a_stale_save_changes_nothing;
        SweepUsesTheFirstExpiry => sweep_uses_the_latest_expiry;
        SweepIgnoresItsLimit => sweep_respects_its_limit;
        SweepDeletesUnexpired => sweep_deletes_exactly_the_expired;
        TouchBumpsTheVersion => touch_makes_no_save_stale;
        TouchCreates => touch_never_creates;
        TouchIgnoresTheVersion => a_stale_touch_changes_nothing;
    }
}

fn bytes_cases() -> Vec<Case> {
    bytes! {
        CreateChecksThenWrites => exactly_one_of_concurrent_creates_wins;
        CreateOverwrites => create_never_overwrites;
        TruncatesDataAt64K => large_data_survives;
        DeleteDeletesAll => delete_leaves_other_entries_alone;
        KeepsFewEntries => a_thousand_concurrent_creates_all_succeed;
        NeverChangesVersions => concurrent_increments_add_up;
        RenameChecksThenWrites => exactly_one_of_concurrent_renames_wins;
        RenameCreates => rename_never_creates;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameKeepsTheOld => rename_moves_the_entry_once;
        RenameOverwrites => rename_never_overwrites;
        RenameDeletesThenCreates => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites =>
            concurrent_increments_add_up,
            a_logout_is_not_undone_by_concurrent_saves;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveUpserts => save_never_creates, a_deleted_entry_stays_deleted;
        SaveWritesEverywhere => save_leaves_other_entries_alone;
        TouchBumpsTheVersion => touch_makes_no_save_stale;
        TouchCreates => touch_never_creates;
        TouchIgnoresTheVersion => a_stale_touch_changes_nothing;
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    message
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .expect("a broken promise panics with a message")
}
