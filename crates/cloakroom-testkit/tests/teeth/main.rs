//! The suite has teeth: for each promise there is a store that breaks it, and the promise fails on that store.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::catch_unwind;

use cloakroom_testkit::conformance::{run, shared, *};
use cloakroom_testkit::{conformance, conformance_shared};

mod broken;
use broken::{Broken, Defect};

conformance!(without_a_defect, Broken::new(Defect::Flawless));
conformance_shared!(two_without_a_defect, Broken::twice(Defect::Flawless));

#[test]
fn every_defect_is_found_by_the_promises_it_breaks() {
    for Bite {
        defect,
        promise,
        keep,
    } in bites()
    {
        let found = catch_unwind(|| keep(defect));

        let Err(found) = found else {
            panic!("{promise} is kept by a store with the defect {defect:?}");
        };
        let found = text(&*found);
        println!("{defect:?}: {promise}\n    {found}");
        assert!(
            !found.contains("not done after"),
            "{promise} waits for {defect:?}"
        );
    }
}

#[test]
fn a_store_that_keeps_only_text_is_held_to_the_promises_about_the_rest() {
    for Bite {
        defect,
        promise,
        keep,
    } in bites_of_text()
    {
        assert!(
            catch_unwind(|| keep(defect)).is_err(),
            "{promise} is kept by a store with the defect {defect:?}"
        );
    }
}

#[test]
fn a_store_that_keeps_only_bytes_is_held_to_the_promises_about_the_rest() {
    for Bite {
        defect,
        promise,
        keep,
    } in bites_of_bytes()
    {
        assert!(
            catch_unwind(|| keep(defect)).is_err(),
            "{promise} is kept by a store with the defect {defect:?}"
        );
    }
}

#[test]
fn every_promise_is_broken_by_a_defect() {
    macro_rules! names {
        ([] $($promise:ident)+) => { BTreeSet::from([$(stringify!($promise)),+]) };
    }
    let promises = cloakroom_testkit::__promises! { [names] [] };
    let bitten: BTreeSet<&str> = bites().iter().map(|bite| bite.promise).collect();

    let unbitten: Vec<_> = promises.difference(&bitten).collect();
    assert!(
        unbitten.is_empty(),
        "nothing shows that these can fail: {unbitten:?}"
    );
}

struct Bite {
    defect: Defect,
    promise: &'static str,
    keep: fn(Defect),
}

macro_rules! one {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Bite {
            defect: Defect::$defect,
            promise: stringify!($promise),
            keep: |defect| run(stringify!($promise), move || $promise(Broken::new(defect))),
        }),+),+]
    };
}

macro_rules! bytes {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Bite {
            defect: Defect::$defect,
            promise: stringify!($promise),
            keep: |defect| run(stringify!($promise), move || {
                $promise(OnlyBytes::new(Broken::new(defect)))
            }),
        }),+),+]
    };
}

macro_rules! text {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Bite {
            defect: Defect::$defect,
            promise: stringify!($promise),
            keep: |defect| run(stringify!($promise), move || {
                $promise(OnlyText::new(Broken::new(defect)))
            }),
        }),+),+]
    };
}

macro_rules! two {
    ($($defect:ident => $($promise:ident),+;)+) => {
        vec![$($(Bite {
            defect: Defect::$defect,
            promise: stringify!($promise),
            keep: |defect| run(stringify!($promise), move || {
                let (one, other) = Broken::twice(defect);
                shared::$promise(one, other)
            }),
        }),+),+]
    };
}

fn bites() -> Vec<Bite> {
    let mut bites = one! {
        ComparesWithVersionsOfOthers => a_version_is_valid_only_for_its_own_entry;
        CountsVersionsFromOne => a_recreated_entry_rejects_old_versions;
        CreateChecksThenWrites => exactly_one_of_concurrent_creates_wins;
        CreateOverwrites => create_never_overwrites, exactly_one_of_concurrent_creates_wins;
        CreateWritesInTwoSteps => a_dropped_create_is_all_or_nothing;
        CutsDataAt64K => large_data_survives;
        CutsDataAtNul => every_byte_survives;
        CutsLabels => unusual_text_survives;
        CutsLookups => store_keys_are_bytes;
        DeleteForgetsNoOwner =>
            owned_by_lists_exactly_the_owners_entries, owned_by_agrees_with_load_and_sweep;
        DeleteLeavesATombstoneThatSaveRevives =>
            a_deleted_entry_stays_deleted,
            a_logout_is_not_undone_by_concurrent_saves;
        DeleteOfNothingFails => deleting_a_missing_entry_succeeds;
        DeleteTakesAll => delete_leaves_other_entries_alone;
        DeleteWritesInTwoSteps => a_dropped_delete_is_all_or_nothing;
        DropsLabels => a_created_entry_is_loaded_unchanged;
        FindIgnoresCase => find_returns_the_only_key_with_the_prefix;
        FindTakesTheFirst => find_returns_the_only_key_with_the_prefix;
        HoldsFewEntries => a_thousand_concurrent_creates_all_succeed;
        KeepsWholeSeconds => times_survive, a_created_entry_is_loaded_unchanged;
        ListsOwnersButSaysItCannot => owned_by_lists_exactly_the_owners_entries;
        LoadHidesTheEmpty => empty_data_survives;
        LoadHidesTheExpired => expired_entries_stay_until_they_are_swept;
        LowercasesLookups => store_keys_are_bytes;
        MakesNobodyEmpty => an_entry_without_owner_keeps_none;
        NeverChangesVersions =>
            each_save_makes_earlier_versions_stale,
            concurrent_increments_add_up;
        OwnersInAnyCase => owners_are_compared_exactly;
        PingFails => a_ping_is_answered;
        RefusesOtherLookupsThanHashes => store_keys_may_have_any_length;
        RenameChecksThenWrites =>
            exactly_one_of_concurrent_renames_wins,
            exactly_one_of_a_concurrent_rename_and_save_wins;
        RenameCreates => rename_never_creates, a_deleted_entry_stays_deleted;
        RenameForgetsTheOwner =>
            owned_by_lists_exactly_the_owners_entries,
            rename_moves_the_entry_once;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameLeavesTheOld => rename_moves_the_entry_once, rename_makes_the_old_version_stale;
        RenameOverwrites => rename_never_overwrites;
        RenameReturnsAnotherVersion => a_renamed_entry_can_be_saved_and_deleted;
        RenameTakesThenPuts => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites =>
            concurrent_increments_add_up, a_logout_is_not_undone_by_concurrent_saves,
            exactly_one_of_a_concurrent_rename_and_save_wins;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveKeepsTheFacts => save_replaces_the_whole_entry;
        SaveReturnsAnotherVersion => save_replaces_the_whole_entry;
        SaveUpserts => save_never_creates, a_deleted_entry_stays_deleted;
        SaveWritesEverywhere => save_leaves_other_entries_alone;
        SaveWritesFactsWhenStale => a_stale_save_changes_nothing;
        SaveWritesInTwoSteps => a_dropped_save_is_all_or_nothing;
        SaysItTakesLess => large_data_survives;
        SweepGoesByTheFirstExpiry => sweep_uses_the_latest_expiry;
        SweepIgnoresItsLimit => sweep_respects_its_limit;
        SweepLeavesWhatExpiresNow => sweep_deletes_exactly_the_expired;
        SweepMiscounts => repeated_sweeps_delete_all_expired;
        SweepTakesTheLiving => sweep_deletes_exactly_the_expired, sweep_keeps_unexpired_entries;
        SweepWorksOnce => repeated_sweeps_delete_all_expired;
        TakesLess => large_data_survives;
        TouchBumpsTheVersion => touch_changes_only_touched_and_expires, touch_makes_no_save_stale;
        TouchCreates => touch_never_creates, a_deleted_entry_stays_deleted;
        TouchIgnoresTheVersion => a_stale_touch_changes_nothing;
        TouchWritesAllFacts => touch_changes_only_touched_and_expires;
        TouchWritesInTwoSteps => a_dropped_touch_is_all_or_nothing;
        TrimsLookups => store_keys_are_bytes;
    };
    bites.extend(two! {
        SaveUpserts => a_logout_through_one_ends_requests_in_progress_through_the_other;
        CachesForEver =>
            a_create_through_one_is_loaded_through_the_other,
            a_save_through_one_is_stale_for_the_other,
            a_delete_through_one_is_seen_by_the_other,
            a_rename_through_one_is_stale_for_the_other,
            concurrent_increments_through_both_add_up;
        SaveChecksThenWrites =>
            concurrent_increments_through_both_add_up,
            a_logout_through_one_is_not_undone_by_saves_through_the_other;
    });
    bites
}

fn bites_of_text() -> Vec<Bite> {
    text! {
        CreateChecksThenWrites => exactly_one_of_concurrent_creates_wins;
        CreateOverwrites => create_never_overwrites;
        CutsDataAt64K => large_data_survives;
        DeleteTakesAll => delete_leaves_other_entries_alone;
        HoldsFewEntries => a_thousand_concurrent_creates_all_succeed;
        KeepsWholeSeconds => times_survive;
        LoadHidesTheEmpty => empty_data_survives;
        LoadHidesTheExpired => expired_entries_stay_until_they_are_swept;
        NeverChangesVersions => concurrent_increments_add_up;
        RenameChecksThenWrites => exactly_one_of_concurrent_renames_wins;
        RenameCreates => rename_never_creates;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameLeavesTheOld => rename_moves_the_entry_once;
        RenameOverwrites => rename_never_overwrites;
        RenameTakesThenPuts => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites =>
            concurrent_increments_add_up,
            a_logout_is_not_undone_by_concurrent_saves;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveKeepsTheFacts => save_replaces_the_whole_entry;
        SaveUpserts => save_never_creates, a_deleted_entry_stays_deleted;
        SaveWritesEverywhere => save_leaves_other_entries_alone;
        SaveWritesFactsWhenStale => a_stale_save_changes_nothing;
        SweepGoesByTheFirstExpiry => sweep_uses_the_latest_expiry;
        SweepIgnoresItsLimit => sweep_respects_its_limit;
        SweepTakesTheLiving => sweep_deletes_exactly_the_expired;
        TouchBumpsTheVersion => touch_makes_no_save_stale;
        TouchCreates => touch_never_creates;
        TouchIgnoresTheVersion => a_stale_touch_changes_nothing;
    }
}

fn bites_of_bytes() -> Vec<Bite> {
    bytes! {
        CreateChecksThenWrites => exactly_one_of_concurrent_creates_wins;
        CreateOverwrites => create_never_overwrites;
        CutsDataAt64K => large_data_survives;
        DeleteTakesAll => delete_leaves_other_entries_alone;
        HoldsFewEntries => a_thousand_concurrent_creates_all_succeed;
        NeverChangesVersions => concurrent_increments_add_up;
        RenameChecksThenWrites => exactly_one_of_concurrent_renames_wins;
        RenameCreates => rename_never_creates;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameLeavesTheOld => rename_moves_the_entry_once;
        RenameOverwrites => rename_never_overwrites;
        RenameTakesThenPuts => a_dropped_rename_leaves_the_old_or_the_new;
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

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .expect("a promise that is broken says so in words")
}
