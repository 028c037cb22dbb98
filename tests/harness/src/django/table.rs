//! The promises of a store on Django's session table, which are the same in every database.
//!
//! A *draft* is an entry that a store is asked to write.

use std::time::{SystemTime, UNIX_EPOCH};

use cloakroom::store::{Draft, Meta, SaveId, Store, Version, from_millis};
use cloakroom::{ErrorKind, Result, StoreKey};

use super::{holds, is_free, stale, written};

/// A store on Django's table, and a second connection to the same database. The tests use the
/// second connection to read and write as Django does.
pub trait Site {
    /// Whether the column `session_key` accepts ASCII only.
    const ASCII_KEYS: bool = false;

    /// The type of the store.
    type Table: Store;

    /// Returns the store that is tested.
    fn store(&self) -> &Self::Table;

    /// Returns the name of the table.
    fn table(&self) -> &str;

    /// Creates the table with the store's `migrate`.
    fn migrate(&self) -> impl Future<Output = Result<()>>;

    /// Runs a statement on the second connection.
    fn run(&mut self, statement: &str) -> impl Future<Output = ()>;

    /// Runs a query on the second connection, and returns the text in its only row.
    fn ask(&mut self, question: &str) -> impl Future<Output = String>;
}

/// After Django has saved other data, a write with the earlier version is stale. This is true even
/// if Django's data differs from the earlier data only in case or in trailing blanks, which some
/// collations ignore. Keys that differ only in case are different keys.
pub async fn a_concurrent_save_of_django_is_not_overwritten(site: &mut impl Site) {
    let seen = written(site.store().create(&at(KEY), &draft(DATA)).await);
    for theirs in [
        DATA.to_lowercase(),
        format!("{DATA} "),
        format!("{DATA}\t"),
        DATA[1..].to_owned(),
    ] {
        let save = format!("UPDATE {} SET session_data = '{theirs}'", site.table());
        site.run(&save).await;

        let store = site.store();
        stale(store.save(&at(KEY), &seen, &draft("ours")).await);
        stale(store.touch(&at(KEY), &seen, &draft("").meta).await);
        stale(
            store
                .rename(&at(KEY), &seen, &at(OTHER), &draft("ours"), None)
                .await,
        );
        holds(store, &at(KEY), &theirs).await;
    }
    is_free(site.store(), &at(&KEY.to_uppercase())).await;
}

/// A save or touch that changes nothing is `Written` and keeps the version. A rename to the same
/// key is `Stale`, because that key already has a session.
pub async fn a_save_of_equal_data_is_written(site: &mut impl Site) {
    let (store, new) = (site.store(), draft(DATA));
    let seen = written(store.create(&at(KEY), &new).await);

    assert!(written(store.save(&at(KEY), &seen, &new).await) == seen);
    assert!(written(store.touch(&at(KEY), &seen, &new.meta).await) == seen);
    stale(store.rename(&at(KEY), &seen, &at(KEY), &new, None).await);
}

/// Columns that a site has added to Django's table keep their values.
pub async fn additional_columns_of_the_table_are_left_alone(site: &mut impl Site) {
    let table = site.table().to_owned();
    site.run(&format!("ALTER TABLE {table} ADD account_id integer NULL"))
        .await;
    site.migrate()
        .await
        .expect("migrate accepts the new column");
    let seen = written(site.store().create(&at(KEY), &draft("one")).await);
    site.run(&format!("UPDATE {table} SET account_id = 7"))
        .await;

    let store = site.store();
    let seen = written(store.save(&at(KEY), &seen, &draft("two")).await);
    let seen = written(store.touch(&at(KEY), &seen, &draft("").meta).await);
    let new = draft("three");
    written(store.rename(&at(KEY), &seen, &at(OTHER), &new, None).await);

    let theirs = format!("SELECT session_data FROM {table} WHERE account_id = 7");
    assert_eq!(site.ask(&theirs).await, "three");
}

/// The column stores up to 40 characters and no NUL. A key that does not fit has no session: `load`
/// returns `None`, and `create` and `rename` refuse to write under the key.
pub async fn a_key_that_does_not_fit_the_column_has_no_session_and_is_refused<S: Site>(
    site: &mut S,
) {
    let store = site.store();
    let version = written(store.create(&at(KEY), &draft("kept")).await);
    let widest = if S::ASCII_KEYS { "~" } else { "é" };
    written(store.create(&at(&widest.repeat(40)), &draft("fits")).await);

    let (longer, new) = ("k".repeat(41), draft("new"));
    let non_ascii = S::ASCII_KEYS.then_some("é".as_bytes());
    let too_long_with_nul_or_not_utf8 = [longer.as_bytes(), b"k\0k", b"\xff\xff\xff\xff"];
    for bytes in too_long_with_nul_or_not_utf8.into_iter().chain(non_ascii) {
        let unfit = StoreKey::new(bytes);
        is_free(store, &unfit).await;
        store.delete(&unfit).await.expect("delete answers");
        stale(store.save(&unfit, &version, &new).await);
        stale(store.touch(&unfit, &version, &new.meta).await);
        stale(store.rename(&unfit, &version, &at(OTHER), &new, None).await);
        for refused in [
            store.create(&unfit, &new).await,
            store.rename(&at(KEY), &version, &unfit, &new, None).await,
        ] {
            let error = refused.expect_err("the key does not fit the column");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("up to 40 characters"), "{error}");
        }
    }
    holds(store, &at(KEY), "kept").await;
}

/// A draft with an owner, or with data that is not ASCII text, is refused and changes nothing. A
/// save with a version that is not ASCII text is stale.
pub async fn an_entry_that_the_table_cannot_store_is_refused_and_changes_nothing(
    site: &mut impl Site,
) {
    let store = site.store();
    let seen = written(store.create(&at(KEY), &draft("kept")).await);
    let mut owned = draft("new");
    owned.meta.owner = Some("ada".into());
    let mut bytes = draft("");
    bytes.data = b"\x80\x04}\x94.".to_vec().into();

    for (new, words) in [
        (&owned, "no column for owners"),
        (&bytes, "not ASCII"),
        (&draft("é"), "not ASCII"),
        (&draft("a\0b"), "not ASCII"),
    ] {
        for refused in [
            store.create(&at(OTHER), new).await,
            store.save(&at(KEY), &seen, new).await,
            store.rename(&at(KEY), &seen, &at(OTHER), new, None).await,
        ] {
            let error = refused.expect_err("the table cannot store it");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    for no_text in [
        Version::from(SaveId::new(7)),
        Version::from_bytes(b"kept\0"[..].into()),
        Version::from_bytes(b"\xff"[..].into()),
    ] {
        stale(store.save(&at(KEY), &no_text, &draft("new")).await);
    }
    is_free(store, &at(OTHER)).await;
    holds(store, &at(KEY), "kept").await;
}

/// If the table is missing, the store does not create it. The error explains how to create it.
pub async fn a_missing_table_is_reported_and_not_created(site: &mut impl Site) {
    let table = site.table().to_owned();
    site.run(&format!("DROP TABLE {table}")).await;

    let store = site.store();
    for answer in [
        store.load(&at(KEY)).await.map(drop),
        store.create(&at(KEY), &draft("")).await.map(drop),
        store.sweep(SystemTime::now(), 10).await.map(drop),
        store.ping().await,
    ] {
        let error = answer.expect_err("there is no table");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let words = "the table is not there; run `manage.py migrate` in the Django site, \
                     or call `DjangoTable::migrate`";
        assert!(error.to_string().ends_with(words), "{error}");
    }
    // Fails if the store has created the table.
    site.run(&format!("CREATE TABLE {table} (n integer)")).await;
    site.run(&format!("DROP TABLE {table}")).await;
    site.migrate().await.expect("migrate creates the table");
    site.store().ping().await.expect("the table is there");
}

/// Returns the store key of the row whose `session_key` is `key`.
pub fn at(key: &str) -> StoreKey {
    StoreKey::new(key.as_bytes())
}

/// Returns a draft that expires in the year 2100.
pub fn draft(data: &str) -> Draft {
    expiring(data, from_millis(4_102_444_800_000))
}

/// Returns a draft that expires at `expires`.
pub fn expiring(data: &str, expires: SystemTime) -> Draft {
    Draft::new(
        data.to_owned().into(),
        Meta::new(UNIX_EPOCH, UNIX_EPOCH, expires),
        SaveId::random().expect("the operating system has random numbers"),
    )
}

/// A session key with the length and alphabet of Django's.
pub const KEY: &str = "k3y0fdj4ngow1th32l3tt3rs0rd1g1ts";

/// Another session key.
pub const OTHER: &str = "0therk3y0fdj4ngow1th32l3tt3rs000";

/// The data of a session that Django has written.
pub const DATA: &str = "eyJhIjoxfQ:1vbVSP:SDbL3ZiGhQguLgGuvG1cY_JS4Y_bYrKk_VyN72OArII";
