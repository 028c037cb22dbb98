//! The promises of Django's table, whichever database it is in.

use std::time::{SystemTime, UNIX_EPOCH};

use cloakroom::store::{Draft, Meta, SaveId, Store, Version, from_millis};
use cloakroom::{ErrorKind, Result, StoreKey};

use super::{holds, is_free, stale, written};

/// A table, and somebody else with a connection to its database: what a Django would be.
pub trait Site {
    /// Whether the column of keys holds ASCII alone.
    const ASCII_KEYS: bool = false;

    /// The store.
    type Table: Store;

    /// The store that is tested.
    fn store(&self) -> &Self::Table;

    /// The name of its table.
    fn table(&self) -> &str;

    /// Makes the table, by the store.
    fn migrate(&self) -> impl Future<Output = Result<()>>;

    /// Runs a statement on somebody else's connection.
    fn run(&mut self, statement: &str) -> impl Future<Output = ()>;

    /// The one text that a question gives, asked on somebody else's connection.
    fn ask(&mut self, question: &str) -> impl Future<Output = String>;
}

/// Another letter case, a blank at the end: other texts, whatever a collation may say.
pub async fn what_django_saved_meanwhile_is_not_overwritten(site: &mut impl Site) {
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
                .rename(&at(KEY), &seen, &at(OTHER), &draft("ours"))
                .await,
        );
        holds(store, &at(KEY), &theirs).await;
    }
    is_free(site.store(), &at(&KEY.to_uppercase())).await;
}

/// Though it changes nothing that anybody could see. A move to the same key is none: the session is in its own way.
pub async fn a_save_of_what_is_there_already_is_a_save(site: &mut impl Site) {
    let (store, new) = (site.store(), draft(DATA));
    let seen = written(store.create(&at(KEY), &new).await);

    assert!(written(store.save(&at(KEY), &seen, &new).await) == seen);
    assert!(written(store.touch(&at(KEY), &seen, &new.meta).await) == seen);
    stale(store.rename(&at(KEY), &seen, &at(KEY), &new).await);
}

/// A site's own model of sessions may have more columns than Django's.
pub async fn the_columns_of_a_sites_own_model_are_left_alone(site: &mut impl Site) {
    let table = site.table().to_owned();
    site.run(&format!("ALTER TABLE {table} ADD account_id integer NULL"))
        .await;
    site.migrate().await.expect("Django's columns are there");
    let seen = written(site.store().create(&at(KEY), &draft("one")).await);
    site.run(&format!("UPDATE {table} SET account_id = 7"))
        .await;

    let store = site.store();
    let seen = written(store.save(&at(KEY), &seen, &draft("two")).await);
    let seen = written(store.touch(&at(KEY), &seen, &draft("").meta).await);
    let new = draft("three");
    written(store.rename(&at(KEY), &seen, &at(OTHER), &new).await);

    let theirs = format!("SELECT session_data FROM {table} WHERE account_id = 7");
    assert_eq!(site.ask(&theirs).await, "three");
}

/// The column has room for 40 characters without NUL, and another key is no session's.
pub async fn nothing_is_at_a_key_that_the_column_could_not_hold_and_none_is_made_there<S: Site>(
    site: &mut S,
) {
    let store = site.store();
    let version = written(store.create(&at(KEY), &draft("kept")).await);
    let widest = if S::ASCII_KEYS { "~" } else { "é" };
    written(store.create(&at(&widest.repeat(40)), &draft("fits")).await);

    let (longer, new) = ("k".repeat(41), draft("new"));
    let foreign = S::ASCII_KEYS.then_some("é".as_bytes());
    let unfit = [longer.as_bytes(), b"k\0k", b"\xff\xff\xff\xff"];
    for bytes in unfit.into_iter().chain(foreign) {
        let nowhere = StoreKey::new(bytes);
        is_free(store, &nowhere).await;
        store.delete(&nowhere).await.expect("delete answers");
        stale(store.save(&nowhere, &version, &new).await);
        stale(store.touch(&nowhere, &version, &new.meta).await);
        stale(store.rename(&nowhere, &version, &at(OTHER), &new).await);
        for refused in [
            store.create(&nowhere, &new).await,
            store.rename(&at(KEY), &version, &nowhere, &new).await,
        ] {
            let error = refused.expect_err("there is no room for it");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("up to 40 characters"), "{error}");
        }
    }
    holds(store, &at(KEY), "kept").await;
}

/// An owner, and data that is not Django's text; no version that is no text is one of the table's.
pub async fn what_the_table_cannot_keep_is_refused_and_changes_nothing(site: &mut impl Site) {
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
            store.rename(&at(KEY), &seen, &at(OTHER), new).await,
        ] {
            let error = refused.expect_err("the table cannot keep it");
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

/// Whoever calls it before Django's `migrate` has run learns that.
pub async fn without_its_table_the_store_says_what_to_do_and_makes_none(site: &mut impl Site) {
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
        let words =
            "the table is not there; run `manage.py migrate` of the Django site, or call `migrate`";
        assert!(error.to_string().ends_with(words), "{error}");
    }
    // Which would fail if there were one.
    site.run(&format!("CREATE TABLE {table} (n integer)")).await;
    site.run(&format!("DROP TABLE {table}")).await;
    site.migrate().await.expect("migrate makes it");
    site.store().ping().await.expect("the table is there");
}

/// A key as it stands in the table.
pub fn at(key: &str) -> StoreKey {
    StoreKey::new(key.as_bytes())
}

/// A draft that expires in the year 2100.
pub fn draft(data: &str) -> Draft {
    expiring(data, from_millis(4_102_444_800_000))
}

/// A draft that expires then.
pub fn expiring(data: &str, expires: SystemTime) -> Draft {
    Draft {
        data: data.to_owned().into(),
        meta: Meta {
            created: UNIX_EPOCH,
            touched: UNIX_EPOCH,
            expires,
            owner: None,
            label: None,
        },
        save_id: SaveId::random().expect("the operating system has random numbers"),
    }
}

/// A key as Django makes them.
pub const KEY: &str = "k3y0fdj4ngow1th32l3tt3rs0rd1g1ts";

/// Another one.
pub const OTHER: &str = "0therk3y0fdj4ngow1th32l3tt3rs000";

/// What a Django wrote.
pub const DATA: &str = "eyJhIjoxfQ:1vbVSP:SDbL3ZiGhQguLgGuvG1cY_JS4Y_bYrKk_VyN72OArII";
