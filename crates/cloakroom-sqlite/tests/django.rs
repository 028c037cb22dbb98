//! The store on Django's table: the values that it writes, what it leaves unchanged, and how it
//! reads rows that Django wrote.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::time::{Duration, UNIX_EPOCH};

use cloakroom::store::{Store, Version, from_micros};
use cloakroom::{ErrorKind, Result};
use cloakroom_django::wire::date::{expire_date, parse_expire_date};
use cloakroom_harness::django::table::{self, DATA, KEY, at, draft, expiring};
use cloakroom_harness::django::written;
use cloakroom_sqlite::DjangoTable;
use rusqlite::Connection;
use support::{django, folder, other_connection};
use tempfile::TempDir;

cloakroom_harness::django_table!(djangos_table, Site::new().await);

#[tokio::test]
async fn the_table_is_exactly_what_djangos_migrations_create() {
    let (_folder, path) = folder();
    let store = django(&path).await;

    assert_eq!(schema_of(&other_connection(&path)), DJANGO_SCHEMA);
    let (_folder, path) = folder();
    let other_connection = other_connection(&path);
    other_connection.execute_batch(&store.schema()).unwrap();
    assert_eq!(schema_of(&other_connection), DJANGO_SCHEMA);
}

#[tokio::test]
async fn a_row_has_the_values_that_django_would_write() {
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
        assert_eq!(row(&other_connection(&path)), row_of(DATA, text));

        let new = expiring("e30:1vbVSP:new", expires + Duration::from_secs(60));
        let seen = written(store.save(&at(KEY), &seen, &new).await);
        written(
            store
                .touch(&at(KEY), &seen, &expiring("", expires).meta)
                .await,
        );
        assert_eq!(
            row(&other_connection(&path)),
            row_of("e30:1vbVSP:new", text)
        );

        store.delete(&at(KEY)).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_of_django_is_loaded_saved_and_swept_by_djangos_rules() {
    // Each case is the text in `expire_date`, the instant that the text denotes, and an instant at
    // which Django's `clearsessions` keeps the session. The instants are microseconds after
    // 2026-01-02 03:04:00. In the last case, `clearsessions` keeps an expired session, because
    // `clearsessions` compares texts, and `T` sorts after the space.
    for (text, expires, kept_at) in [
        ("2026-01-02 03:04:06", 6_000_000, 5_000_000),
        ("2026-01-02 03:04:05", 5_000_000, 5_000_000),
        ("2026-01-02 03:04:05.300000", 5_300_000, 5_250_000),
        ("2026-01-02T00:00:00", -11_040_000_000, 5_000_000),
    ] {
        let (_folder, path) = folder();
        let store = django(&path).await;
        insert(&other_connection(&path), DATA, text);
        let now = |micros: i64| from_micros(1_767_323_040_000_000 + micros);

        let entry = store.load(&at(KEY)).await.unwrap().unwrap();
        assert_eq!(entry.data, DATA);
        assert!(entry.version == Version::from_bytes(DATA.into()));
        assert_eq!(entry.meta.expires, now(expires));
        assert_eq!(
            (entry.meta.created, entry.meta.touched, entry.meta.owner),
            (UNIX_EPOCH, UNIX_EPOCH, None)
        );
        assert_eq!(store.sweep(now(kept_at), 10).await.unwrap(), 0, "{text}");
        written(store.save(&at(KEY), &entry.version, &draft("new")).await);
    }
    // Each case is the text in `expire_date`, and an instant at which `clearsessions` deletes the
    // session.
    for (text, now) in [
        ("2026-01-02 03:04:04", 5_000_000),
        ("2026-01-02 03:04:05.200000", 5_250_000),
        ("2026-01-02 03:04:05", 5_000_001),
    ] {
        let (_folder, path) = folder();
        let store = django(&path).await;
        insert(&other_connection(&path), DATA, text);

        let now = from_micros(1_767_323_040_000_000 + now);
        assert_eq!(store.sweep(now, 10).await.unwrap(), 1, "{text}");
    }
}

#[test]
fn every_date_until_the_year_2400_is_formatted_as_sqlite_formats_it() {
    let db = Connection::open_in_memory().unwrap();
    let mut datetime = db.prepare("SELECT datetime(?1, 'unixepoch')").unwrap();
    for day in 0..157_054_i64 {
        let secs = day * 24 * 60 * 60;
        let at = from_micros(secs * 1_000_000);
        let theirs: String = datetime.query_row([secs], |row| row.get(0)).unwrap();
        assert_eq!(expire_date(at), theirs);
        assert_eq!(parse_expire_date(&theirs), Some(at));
    }
}

#[tokio::test]
async fn loading_a_row_that_django_would_not_write_returns_corrupt_and_does_not_panic() {
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
        insert(&other_connection(&path), DATA, "2026-01-02 03:04:06");
        let change = format!("UPDATE django_session SET {column} = {value}");
        other_connection(&path).execute_batch(&change).unwrap();

        let error = store.load(&at(KEY)).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Corrupt, "{column} = {value}");
        assert!(!format!("{error:?} {error:#}").contains(KEY));
    }
}

#[tokio::test]
async fn a_table_with_other_columns_is_refused_and_not_changed() {
    let (_folder, path) = folder();
    let theirs = "CREATE TABLE django_session (session_key TEXT, session_data TEXT)";
    other_connection(&path).execute_batch(theirs).unwrap();

    let error = DjangoTable::open(&path)
        .unwrap()
        .migrate()
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("with other columns"), "{error}");
    assert_eq!(schema_of(&other_connection(&path)), format!("{theirs};"));
}

#[tokio::test]
async fn the_journal_mode_user_version_and_schema_are_not_changed() {
    for journal in ["delete", "wal"] {
        let (_folder, path) = folder();
        let other_connection = other_connection(&path);
        other_connection
            .pragma_update(None, "journal_mode", journal)
            .unwrap();
        other_connection.execute_batch(DJANGO_SCHEMA).unwrap();
        other_connection
            .pragma_update(None, "user_version", 42)
            .unwrap();

        let store = DjangoTable::open(&path).unwrap();
        let seen = written(store.create(&at(KEY), &draft("")).await);
        written(store.save(&at(KEY), &seen, &draft("new")).await);
        store.migrate().await.unwrap();
        drop(store);

        let pragma = |name: &str| -> String {
            let ask = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            other_connection
                .query_row(&ask, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), journal);
        assert_eq!(pragma("user_version"), "42");
        assert_eq!(schema_of(&other_connection), DJANGO_SCHEMA);
    }
}

#[tokio::test]
async fn calls_with_the_rollback_journal_wait_for_a_lock_and_fail_after_the_timeout() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    let hasty = DjangoTable::builder(&path)
        .busy_timeout(Duration::from_millis(50))
        .open()
        .unwrap();
    let seen = written(store.create(&at(KEY), &draft("old")).await);
    let other_connection = other_connection(&path);

    // With this lock, which Django takes when it commits, other connections cannot even read.
    other_connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
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
    other_connection.execute_batch("COMMIT").unwrap();

    written(save.await);
    assert_eq!(store.load(&key).await.unwrap().unwrap().data, "new");
}

#[tokio::test]
async fn a_sweep_runs_several_steps_up_to_its_limit() {
    let (_folder, path) = folder();
    let store = django(&path).await;
    let expired = expiring("expired", from_micros(1_000));
    for n in 0..600 {
        let key = at(&format!("key{n:029}"));
        written(store.create(&key, &expired).await);
    }
    written(store.create(&at(KEY), &draft("alive")).await);

    assert_eq!(store.sweep(from_micros(1_001), 300).await.unwrap(), 300);
    assert_eq!(store.sweep(from_micros(1_001), 1_000).await.unwrap(), 300);
    assert!(store.load(&at(KEY)).await.unwrap().is_some());
}

#[test]
fn an_in_memory_database_is_refused() {
    let error = DjangoTable::open(":memory:").unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("name a file"), "{error}");
}

/// A store on a table with a custom name, and another connection to the file.
struct Site {
    store: DjangoTable,
    other_connection: Connection,
    _folder: TempDir,
}

impl Site {
    async fn new() -> Self {
        let (folder, path) = folder();
        let store = DjangoTable::builder(&path).table("web_session").open();
        let site = Self {
            store: store.unwrap(),
            other_connection: other_connection(&path),
            _folder: folder,
        };
        site.store.migrate().await.unwrap();
        site
    }
}

impl table::Site for Site {
    type Table = DjangoTable;

    fn store(&self) -> &DjangoTable {
        &self.store
    }

    fn table(&self) -> &str {
        "web_session"
    }

    async fn migrate(&self) -> Result<()> {
        self.store.migrate().await
    }

    async fn run(&mut self, statement: &str) {
        self.other_connection.execute_batch(statement).unwrap();
    }

    async fn ask(&mut self, question: &str) -> String {
        let answer = self
            .other_connection
            .query_row(question, [], |row| row.get(0));
        answer.unwrap()
    }
}

fn insert(db: &Connection, data: &str, expires: &str) {
    let insert = "INSERT INTO django_session VALUES (?1, ?2, ?3)";
    db.execute(insert, (KEY, data, expires)).unwrap();
}

/// Returns the only row of the table, with the type of each value.
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

/// Returns the statements that created the schema, as SQLite records them.
fn schema_of(db: &Connection) -> String {
    let made = "SELECT coalesce(group_concat(sql || ';', ''), '') FROM
        (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC)";
    db.query_row(made, [], |row| row.get(0)).unwrap()
}

/// The schema that Django 5.2 creates, with a `;` after each statement.
const DJANGO_SCHEMA: &str = concat!(
    r#"CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "#,
    r#""session_data" text NOT NULL, "expire_date" datetime NOT NULL);"#,
    r#"CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");"#,
);
