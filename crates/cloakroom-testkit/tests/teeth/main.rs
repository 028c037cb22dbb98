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
        ComparesWithVersionsOfOthers => a_version_is_good_for_its_own_entry_only;
        CountsVersionsFromOne => a_new_entry_is_not_the_old_one;
        CreateChecksThenWrites => of_creates_at_once_exactly_one_wins;
        CreateOverwrites => create_never_overwrites, of_creates_at_once_exactly_one_wins;
        CreateWritesInTwoSteps => a_dropped_create_is_all_or_nothing;
        CutsDataAt64K => large_data_survives;
        CutsDataAtNul => every_byte_survives;
        CutsLabels => odd_text_survives;
        CutsLookups => lookups_are_bytes;
        DeleteForgetsNoOwner =>
            owned_by_lists_exactly_the_owners_entries, owned_by_goes_with_load_and_sweep;
        DeleteLeavesATombstoneThatSaveRevives => gone_is_gone, a_logout_beats_every_save_in_flight;
        DeleteOfNothingFails => delete_of_nothing_is_fine;
        DeleteTakesAll => delete_leaves_other_entries_alone;
        DeleteWritesInTwoSteps => a_dropped_delete_is_all_or_nothing;
        DropsLabels => what_was_created_is_loaded_whole;
        FindIgnoresCase => find_finds_the_one_that_begins_so;
        FindTakesTheFirst => find_finds_the_one_that_begins_so;
        HoldsFewEntries => a_thousand_creates_at_once_all_land;
        KeepsWholeSeconds => times_survive, what_was_created_is_loaded_whole;
        ListsOwnersButSaysItCannot => owned_by_lists_exactly_the_owners_entries;
        LoadHidesTheEmpty => empty_data_survives;
        LoadHidesTheExpired => the_expired_stay_until_they_are_swept;
        LowercasesLookups => lookups_are_bytes;
        MakesNobodyEmpty => an_entry_of_nobody_stays_nobodys;
        NeverChangesVersions => every_save_makes_the_versions_before_it_stale, the_race_adds_up;
        OwnersInAnyCase => owners_are_compared_exactly;
        PingFails => a_ping_is_answered;
        RefusesOtherLookupsThanHashes => lookups_may_have_any_length;
        RenameChecksThenWrites =>
            of_renames_at_once_exactly_one_wins, of_a_rename_and_a_save_at_once_exactly_one_wins;
        RenameCreates => rename_never_creates, gone_is_gone;
        RenameForgetsTheOwner => owned_by_lists_exactly_the_owners_entries, rename_moves_once;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameLeavesTheOld => rename_moves_once, after_a_rename_the_old_version_is_stale;
        RenameOverwrites => rename_never_overwrites;
        RenameReturnsAnotherVersion => what_was_renamed_lives_on;
        RenameTakesThenPuts => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites =>
            the_race_adds_up, a_logout_beats_every_save_in_flight,
            of_a_rename_and_a_save_at_once_exactly_one_wins;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveKeepsTheFacts => save_replaces_the_whole_entry;
        SaveReturnsAnotherVersion => save_replaces_the_whole_entry;
        SaveUpserts => save_never_creates, gone_is_gone;
        SaveWritesEverywhere => save_leaves_other_entries_alone;
        SaveWritesFactsWhenStale => a_stale_save_changes_nothing;
        SaveWritesInTwoSteps => a_dropped_save_is_all_or_nothing;
        SaysItTakesLess => large_data_survives;
        SweepGoesByTheFirstExpiry => sweep_goes_by_the_last_expiry;
        SweepIgnoresItsLimit => sweep_respects_its_limit;
        SweepLeavesWhatExpiresNow => sweep_takes_exactly_the_dead;
        SweepMiscounts => repeated_sweeps_take_all;
        SweepTakesTheLiving => sweep_takes_exactly_the_dead, sweep_leaves_the_living_alone;
        SweepWorksOnce => repeated_sweeps_take_all;
        TakesLess => large_data_survives;
        TouchBumpsTheVersion => touch_changes_two_times_and_nothing_else, touch_makes_no_save_stale;
        TouchCreates => touch_never_creates, gone_is_gone;
        TouchIgnoresTheVersion => a_stale_touch_changes_nothing;
        TouchWritesAllFacts => touch_changes_two_times_and_nothing_else;
        TouchWritesInTwoSteps => a_dropped_touch_is_all_or_nothing;
        TrimsLookups => lookups_are_bytes;
    };
    bites.extend(two! {
        SaveUpserts => a_logout_through_one_ends_what_is_under_way_through_the_other;
        CachesForEver =>
            a_create_through_one_is_loaded_through_the_other,
            a_save_through_one_is_stale_for_the_other,
            a_delete_through_one_is_seen_by_the_other,
            a_rename_through_one_is_stale_for_the_other,
            the_race_adds_up_through_both;
        SaveChecksThenWrites =>
            the_race_adds_up_through_both, a_logout_through_one_beats_saves_through_the_other;
    });
    bites
}

fn bites_of_text() -> Vec<Bite> {
    text! {
        CreateChecksThenWrites => of_creates_at_once_exactly_one_wins;
        CreateOverwrites => create_never_overwrites;
        CutsDataAt64K => large_data_survives;
        DeleteTakesAll => delete_leaves_other_entries_alone;
        HoldsFewEntries => a_thousand_creates_at_once_all_land;
        KeepsWholeSeconds => times_survive;
        LoadHidesTheEmpty => empty_data_survives;
        LoadHidesTheExpired => the_expired_stay_until_they_are_swept;
        NeverChangesVersions => the_race_adds_up;
        RenameChecksThenWrites => of_renames_at_once_exactly_one_wins;
        RenameCreates => rename_never_creates;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameLeavesTheOld => rename_moves_once;
        RenameOverwrites => rename_never_overwrites;
        RenameTakesThenPuts => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites => the_race_adds_up, a_logout_beats_every_save_in_flight;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveKeepsTheFacts => save_replaces_the_whole_entry;
        SaveUpserts => save_never_creates, gone_is_gone;
        SaveWritesEverywhere => save_leaves_other_entries_alone;
        SaveWritesFactsWhenStale => a_stale_save_changes_nothing;
        SweepGoesByTheFirstExpiry => sweep_goes_by_the_last_expiry;
        SweepIgnoresItsLimit => sweep_respects_its_limit;
        SweepTakesTheLiving => sweep_takes_exactly_the_dead;
        TouchBumpsTheVersion => touch_makes_no_save_stale;
        TouchCreates => touch_never_creates;
        TouchIgnoresTheVersion => a_stale_touch_changes_nothing;
    }
}

fn bites_of_bytes() -> Vec<Bite> {
    bytes! {
        CreateChecksThenWrites => of_creates_at_once_exactly_one_wins;
        CreateOverwrites => create_never_overwrites;
        CutsDataAt64K => large_data_survives;
        DeleteTakesAll => delete_leaves_other_entries_alone;
        HoldsFewEntries => a_thousand_creates_at_once_all_land;
        NeverChangesVersions => the_race_adds_up;
        RenameChecksThenWrites => of_renames_at_once_exactly_one_wins;
        RenameCreates => rename_never_creates;
        RenameIgnoresTheVersion => a_stale_rename_changes_nothing;
        RenameLeavesTheOld => rename_moves_once;
        RenameOverwrites => rename_never_overwrites;
        RenameTakesThenPuts => a_dropped_rename_leaves_the_old_or_the_new;
        SaveChecksThenWrites => the_race_adds_up, a_logout_beats_every_save_in_flight;
        SaveIgnoresTheVersion => a_stale_save_changes_nothing;
        SaveUpserts => save_never_creates, gone_is_gone;
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
