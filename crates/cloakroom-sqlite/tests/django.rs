//! Django's own table: what is in its columns, what is left alone, and Django's own rows.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, though clippy does not see it in helpers"
)]

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::format::django::date::{expire_date, parse_expire_date};
use cloakroom::store::{Draft, Outcome, Store, Version, from_micros};
use cloakroom::{ErrorKind, Lookup};
use cloakroom_sqlite::DjangoTable;
use rusqlite::Connection;
use support::{django, draft, folder, neighbour, written};

#[tokio::test]
async fn the_table_is_to_the_letter_what_djangos_migrations_make() {
    let (_folder, path) = folder();
    let store = django(&path).await;

    assert_eq!(schema_of(&neighbour(&path)), DJANGOS);
    let (_folder, path) = folder();
    let neighbour = neighbour(&path);
    neighbour.execute_batch(&store.schema()).unwrap();
    assert_eq!(schema_of(&neighbour), DJANGOS);
}

#[tokio::test]
async fn a_row_holds_what_django_would_have_written() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    for (micros, text) in [
        (1_768_532_645_250_000, "2026-01-16 03:04:05.250000"),
        (1_768_532_645_000_000, "2026-01-16 03:04:05"),
        (1_768_532_645_000_001, "2026-01-16 03:04:05.000001"),
        (1_768_532_645_100_000, "2026-01-16 03:04:05.100000"),
        (951_782_400_000_000, "2000-02-29 00:00:00"),
        (0, "1970-01-01 00:00:00"),
        (i64::MAX, "9999-12-31 23:59:59.999000"),
    ] {
        let expires = from_micros(micros);
        let seen = written(store.create(&at(KEY), &expiring(DATA, expires)).await);
        assert_eq!(row(&neighbour(&path)), row_of(DATA, text));

        let new = expiring("e30:1vbVSP:new", expires + Duration::from_secs(60));
        let seen = written(store.save(&at(KEY), &seen, &new).await);
        written(
            store
                .touch(&at(KEY), &seen, &expiring("", expires).meta)
                .await,
        );
        assert_eq!(row(&neighbour(&path)), row_of("e30:1vbVSP:new", text));

        store.delete(&at(KEY)).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_of_django_is_loaded_saved_and_swept_by_djangos_rules() {
    // Whether Django leaves it when it clears at the given time, and when it expires in microseconds of that second.
    for (text, expires, left_at) in [
        ("2026-01-02 03:04:06", 6_000_000, 5_000_000),
        ("2026-01-02 03:04:05", 5_000_000, 5_000_000),
        ("2026-01-02 03:04:05.300000", 5_300_000, 5_250_000),
        ("2026-01-02T00:00:00", -11_040_000_000, 5_000_000),
    ] {
        let (_folder, path) = folder();
        let store = django(&path).await;
        insert(&neighbour(&path), DATA, text);
        let now = |micros: i64| from_micros(1_767_323_040_000_000 + micros);

        let entry = store.load(&at(KEY)).await.unwrap().unwrap();
        assert_eq!(entry.data, DATA);
        assert!(entry.version == Version::from_bytes(DATA.into()));
        assert_eq!(entry.meta.expires, now(expires));
        assert_eq!(
            (entry.meta.created, entry.meta.touched, entry.meta.owner),
            (UNIX_EPOCH, UNIX_EPOCH, None)
        );
        assert_eq!(store.sweep(now(left_at), 10).await.unwrap(), 0, "{text}");
        written(store.save(&at(KEY), &entry.version, &draft("new")).await);
    }
    for (text, now) in [
        ("2026-01-02 03:04:04", 5_000_000),
        ("2026-01-02 03:04:05.200000", 5_250_000),
        ("2026-01-02 03:04:05", 5_000_001),
    ] {
        let (_folder, path) = folder();
        let store = django(&path).await;
        insert(&neighbour(&path), DATA, text);

        let now = from_micros(1_767_323_040_000_000 + now);
        assert_eq!(store.sweep(now, 10).await.unwrap(), 1, "{text}");
    }
}

#[test]
fn every_day_until_the_year_2400_is_the_one_that_sqlite_says() {
    let db = Connection::open_in_memory().unwrap();
    let mut said = db.prepare("SELECT datetime(?1, 'unixepoch')").unwrap();
    for day in 0..157_054_i64 {
        let secs = day * 24 * 60 * 60;
        let at = from_micros(secs * 1_000_000);
        let theirs: String = said.query_row([secs], |row| row.get(0)).unwrap();
        assert_eq!(expire_date(at), theirs);
        assert_eq!(parse_expire_date(&theirs), Some(at));
    }
}

#[tokio::test]
async fn what_django_saved_meanwhile_is_not_overwritten() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    let seen = written(store.create(&at(KEY), &draft(DATA)).await);
    // Another letter case, and a blank at the end: other texts, whatever a collation may say.
    for theirs in [
        DATA.to_lowercase(),
        format!("{DATA} "),
        DATA[1..].to_owned(),
    ] {
        let save = "UPDATE django_session SET session_data = ?1 WHERE session_key = ?2";
        neighbour(&path).execute(save, (&theirs, KEY)).unwrap();

        let saved = store.save(&at(KEY), &seen, &draft("ours")).await;
        assert_eq!(saved.unwrap(), Outcome::Stale);
        let touched = store.touch(&at(KEY), &seen, &draft("").meta).await;
        assert_eq!(touched.unwrap(), Outcome::Stale);
        let moved = store
            .rename(&at(KEY), &seen, &at(OTHER), &draft("ours"))
            .await;
        assert_eq!(moved.unwrap(), Outcome::Stale);
        let entry = store.load(&at(KEY)).await.unwrap().unwrap();
        assert_eq!(entry.data, theirs);
    }
}

#[tokio::test]
async fn a_save_of_what_is_there_already_is_a_save() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    let seen = written(store.create(&at(KEY), &draft(DATA)).await);

    assert!(written(store.save(&at(KEY), &seen, &draft(DATA)).await) == seen);
    assert!(written(store.touch(&at(KEY), &seen, &draft(DATA).meta).await) == seen);
}

#[tokio::test]
async fn the_columns_of_a_sites_own_model_are_left_alone() {
    let (_folder, path) = folder();
    let theirs = "CREATE TABLE web_session (session_key varchar(40) NOT NULL PRIMARY KEY,
            session_data text NOT NULL, expire_date datetime NOT NULL, account_id integer NULL);
        CREATE INDEX web_session_expire_date_12345678 ON web_session (expire_date)";
    neighbour(&path).execute_batch(theirs).unwrap();
    let store = DjangoTable::builder(&path)
        .table("web_session")
        .open()
        .unwrap();
    let seen = written(store.create(&at(KEY), &draft("one")).await);
    neighbour(&path)
        .execute_batch("UPDATE web_session SET account_id = 7")
        .unwrap();

    let seen = written(store.save(&at(KEY), &seen, &draft("two")).await);
    let seen = written(store.touch(&at(KEY), &seen, &draft("").meta).await);
    written(
        store
            .rename(&at(KEY), &seen, &at(OTHER), &draft("three"))
            .await,
    );

    let account: (String, i64) = neighbour(&path)
        .query_row(
            "SELECT session_data, account_id FROM web_session",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(account, ("three".to_owned(), 7));
}

#[tokio::test]
async fn nothing_is_at_a_key_that_the_column_could_not_hold_and_none_is_made_there() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    let version = written(store.create(&at(KEY), &draft("kept")).await);
    let longest = "é".repeat(40);
    written(
        store
            .create(&Lookup::new(longest.as_bytes()), &draft("fits"))
            .await,
    );

    let longer = "k".repeat(41);
    for bytes in [longer.as_bytes(), b"k\0k", b"\xff\xff\xff\xff"] {
        let nowhere = Lookup::new(bytes);
        assert!(store.load(&nowhere).await.unwrap().is_none());
        store.delete(&nowhere).await.unwrap();
        let meta = draft("").meta;
        for stale in [
            store.save(&nowhere, &version, &draft("new")).await,
            store.touch(&nowhere, &version, &meta).await,
            store
                .rename(&nowhere, &version, &at(OTHER), &draft("new"))
                .await,
        ] {
            assert_eq!(stale.unwrap(), Outcome::Stale);
        }
        for refused in [
            store.create(&nowhere, &draft("new")).await,
            store
                .rename(&at(KEY), &version, &nowhere, &draft("new"))
                .await,
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("up to 40 characters"), "{error}");
        }
    }
    assert_eq!(store.load(&at(KEY)).await.unwrap().unwrap().data, "kept");
}

#[tokio::test]
async fn what_the_table_cannot_keep_is_refused_and_changes_nothing() {
    let (_folder, path) = folder();
    let store = django(&path).await;
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
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    assert!(store.load(&at(OTHER)).await.unwrap().is_none());
    let numbered = Version::from_u64(7);
    let saved = store.save(&at(KEY), &numbered, &draft("new")).await;
    assert_eq!(saved.unwrap(), Outcome::Stale);
    assert_eq!(store.load(&at(KEY)).await.unwrap().unwrap().data, "kept");
}

#[tokio::test]
async fn a_row_that_no_django_wrote_is_corrupt_and_not_a_panic() {
    for (column, value) in [
        ("expire_date", "'tomorrow'"),
        ("expire_date", "'now'"),
        ("expire_date", "''"),
        ("expire_date", "1768532645"),
        ("expire_date", "x'00'"),
        ("session_data", "x'00ff'"),
        ("session_data", "CAST(x'ff' AS TEXT)"),
    ] {
        let (_folder, path) = folder();
        let store = django(&path).await;
        insert(&neighbour(&path), DATA, "2026-01-02 03:04:06");
        let change = format!("UPDATE django_session SET {column} = {value}");
        neighbour(&path).execute_batch(&change).unwrap();

        let error = store.load(&at(KEY)).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Corrupt, "{column} = {value}");
        assert!(!format!("{error:?} {error:#}").contains(KEY));
    }
}

#[tokio::test]
async fn without_its_table_the_store_says_what_to_do_and_makes_none() {
    let (_folder, path) = folder();
    let store = DjangoTable::open(&path).unwrap();

    for error in [
        store.load(&at(KEY)).await.map(drop),
        store.create(&at(KEY), &draft("")).await.map(drop),
        store.sweep(SystemTime::now(), 10).await.map(drop),
        store.ping().await,
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let words =
            "the table is not there; run `manage.py migrate` of the Django site, or call `migrate`";
        assert!(error.to_string().ends_with(words), "{error}");
    }
    assert_eq!(schema_of(&neighbour(&path)), "");
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_table_with_other_columns_is_refused_and_left_as_it_is() {
    let (_folder, path) = folder();
    let theirs = "CREATE TABLE django_session (session_key TEXT, session_data TEXT)";
    neighbour(&path).execute_batch(theirs).unwrap();

    let error = DjangoTable::open(&path)
        .unwrap()
        .migrate()
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("with other columns"), "{error}");
    assert_eq!(schema_of(&neighbour(&path)), format!("{theirs};"));
}

#[tokio::test]
async fn the_database_is_left_as_it_is_but_for_the_rows() {
    for journal in ["delete", "wal"] {
        let (_folder, path) = folder();
        let neighbour = neighbour(&path);
        neighbour
            .pragma_update(None, "journal_mode", journal)
            .unwrap();
        neighbour.execute_batch(DJANGOS).unwrap();
        neighbour.pragma_update(None, "user_version", 42).unwrap();

        let store = DjangoTable::open(&path).unwrap();
        let seen = written(store.create(&at(KEY), &draft("")).await);
        written(store.save(&at(KEY), &seen, &draft("new")).await);
        store.migrate().await.unwrap();
        drop(store);

        let pragma = |name: &str| -> String {
            let ask = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            neighbour.query_row(&ask, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), journal);
        assert_eq!(pragma("user_version"), "42");
        assert_eq!(schema_of(&neighbour), DJANGOS);
    }
}

#[tokio::test]
async fn with_the_rollback_journal_locks_are_waited_out_and_those_that_stay_are_reported() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    let hasty = DjangoTable::builder(&path)
        .busy_timeout(Duration::from_millis(50))
        .open()
        .unwrap();
    let seen = written(store.create(&at(KEY), &draft("old")).await);
    let neighbour = neighbour(&path);

    // Django in the middle of a transaction that writes, and about to commit: nobody may even read.
    neighbour.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for error in [
        hasty.load(&at(KEY)).await.map(drop),
        hasty.save(&at(KEY), &seen, &draft("new")).await.map(drop),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("locked for 50 ms"), "{error}");
    }
    let (key, new) = (at(KEY), draft("new"));
    let mut save = support::begin(store.save(&key, &seen, &new));
    assert!(support::answer(&mut save).is_none());
    neighbour.execute_batch("COMMIT").unwrap();

    written(save.await);
    assert_eq!(store.load(&key).await.unwrap().unwrap().data, "new");
}

#[tokio::test]
async fn a_sweep_takes_its_steps_until_the_limit() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    let dead = expiring("dead", from_micros(1_000));
    for n in 0..600 {
        let dying = at(&format!("key{n:029}"));
        written(store.create(&dying, &dead).await);
    }
    written(store.create(&at(KEY), &draft("alive")).await);

    assert_eq!(store.sweep(from_micros(1_001), 300).await.unwrap(), 300);
    assert_eq!(store.sweep(from_micros(1_001), 1_000).await.unwrap(), 300);
    assert!(store.load(&at(KEY)).await.unwrap().is_some());
}

#[test]
fn memory_is_refused_because_its_connections_would_not_share_it() {
    let error = DjangoTable::open(":memory:").unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("name a file"), "{error}");
}

fn expiring(data: &str, expires: SystemTime) -> Draft {
    let mut draft = draft(data);
    draft.meta.expires = expires;
    draft
}

fn insert(db: &Connection, data: &str, expires: &str) {
    let insert = "INSERT INTO django_session VALUES (?1, ?2, ?3)";
    db.execute(insert, (KEY, data, expires)).unwrap();
}

/// The one row of the table, with the type of each value.
fn row(db: &Connection) -> Vec<(String, String)> {
    let one =
        "SELECT session_key, typeof(session_key), session_data, typeof(session_data), expire_date,
        typeof(expire_date) FROM django_session";
    let columns = |row: &rusqlite::Row<'_>| {
        (0..6)
            .step_by(2)
            .map(|n| Ok((row.get(n)?, row.get(n + 1)?)))
            .collect()
    };
    db.query_row(one, [], columns).unwrap()
}

fn row_of(data: &str, expires: &str) -> Vec<(String, String)> {
    [KEY, data, expires]
        .map(|text| (text.to_owned(), "text".to_owned()))
        .into()
}

/// All statements that made the schema, as SQLite keeps them.
fn schema_of(db: &Connection) -> String {
    let made = "SELECT coalesce(group_concat(sql || ';', ''), '') FROM
        (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC)";
    db.query_row(made, [], |row| row.get(0)).unwrap()
}

/// What Django 5.2 makes, with a `;` after each statement.
const DJANGOS: &str = concat!(
    r#"CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "#,
    r#""session_data" text NOT NULL, "expire_date" datetime NOT NULL);"#,
    r#"CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");"#,
);

const KEY: &str = "k3y0fdj4ngow1th32l3tt3rs0rd1g1ts";

const OTHER: &str = "0therk3y0fdj4ngow1th32l3tt3rs000";

/// What a Django wrote.
const DATA: &str = "eyJhIjoxfQ:1vbVSP:SDbL3ZiGhQguLgGuvG1cY_JS4Y_bYrKk_VyN72OArII";

fn at(key: &str) -> Lookup {
    Lookup::new(key.as_bytes())
}
