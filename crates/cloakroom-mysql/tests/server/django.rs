//! Tests `DjangoTable`: what it writes to Django's table, what it leaves unchanged, and how it
//! compares keys and data.

use std::time::{Duration, SystemTime};

use cloakroom::store::{Outcome, Store, Version, from_micros};
use cloakroom::{ErrorKind, Result};
use cloakroom_harness::django::table::{self, DATA, KEY, OTHER, at, draft, expiring};
use cloakroom_harness::django::written;
use cloakroom_mysql::DjangoTable;
use cloakroom_testkit::unique_name;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

use crate::support::{django_on, new_database, other_client, url};

cloakroom_harness::django_table!(djangos_table, {
    let Some(site) = Site::new().await else {
        return;
    };
    site
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_creates_exactly_the_table_that_djangos_migration_creates() {
    let (Some((made, _)), Some((printed, _)), Some((djangos, _))) = (
        new_database().await,
        new_database().await,
        new_database().await,
    ) else {
        return;
    };
    let mut migrations = JoinSet::new();
    for _ in 0..4 {
        let store = DjangoTable::connect(&made).await.unwrap();
        migrations.spawn(async move { store.migrate().await });
    }
    for outcome in migrations.join_all().await {
        outcome.unwrap();
    }
    let store = DjangoTable::connect(&made).await.unwrap();
    let mut by_hand = Conn::from_url(&printed).await.unwrap();
    by_hand.query_drop(store.schema()).await.unwrap();
    let mut django = Conn::from_url(&djangos).await.unwrap();
    for statement in DJANGO_MIGRATION {
        django.query_drop(statement).await.unwrap();
    }

    let shape = shape_of(&mut django).await;
    assert_eq!(
        shape_of(&mut Conn::from_url(&made).await.unwrap()).await,
        shape
    );
    assert_eq!(shape_of(&mut by_hand).await, shape);
    let store = DjangoTable::connect(&djangos).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(shape_of(&mut django).await, shape);
}

#[tokio::test]
async fn a_row_contains_what_django_would_write_whatever_the_servers_time_zone_is() {
    let (Some(site), Some(url)) = (Site::new().await, url()) else {
        return;
    };
    let Site {
        store,
        table,
        mut other_client,
    } = site;
    // A connection keeps the time zone that the server had when the connection was opened.
    let set_time_zone = "SET GLOBAL time_zone = '+05:30'";
    other_client.query_drop(set_time_zone).await.unwrap();
    let in_other_zone = django_on(url, &table).await;
    in_other_zone.ping().await.unwrap();
    other_client
        .query_drop("SET GLOBAL time_zone = 'SYSTEM'")
        .await
        .unwrap();
    for store in [store, in_other_zone] {
        for (micros, text) in [
            (1_768_532_645_250_000, "2026-01-16 03:04:05.250000"),
            (1_768_532_645_000_000, "2026-01-16 03:04:05.000000"),
            (1_768_532_645_000_001, "2026-01-16 03:04:05.000001"),
            (0, "1970-01-01 00:00:00.000000"),
            (i64::MAX, "9999-12-31 23:59:59.999000"),
        ] {
            let expires = from_micros(micros);
            let seen = written(store.create(&at(KEY), &expiring(DATA, expires)).await);
            assert_eq!(row(&mut other_client, &table).await, row_of(DATA, text));
            let entry = store.load(&at(KEY)).await.unwrap().unwrap();
            assert_eq!(entry.meta.expires, expires);

            let new = expiring("e30:1vbVSP:new", expires + Duration::from_secs(60));
            let seen = written(store.save(&at(KEY), &seen, &new).await);
            let meta = expiring("", expires).meta;
            written(store.touch(&at(KEY), &seen, &meta).await);
            let now = row_of("e30:1vbVSP:new", text);
            assert_eq!(row(&mut other_client, &table).await, now);

            store.delete(&at(KEY)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_row_of_django_is_loaded_and_swept_by_djangos_rules() {
    let Some(Site {
        store,
        table,
        mut other_client,
    }) = Site::new().await
    else {
        return;
    };
    let insert = format!("INSERT INTO {table} VALUES ('{KEY}', '{DATA}', '2026-01-02 03:04:05.3')");
    other_client.query_drop(insert).await.unwrap();
    let expires = from_micros(1_767_323_045_300_000);

    let entry = store.load(&at(KEY)).await.unwrap().unwrap();
    assert_eq!(entry.data, DATA);
    assert!(entry.version == Version::from_bytes(DATA.into()));
    assert_eq!(entry.meta, expiring("", expires).meta);
    assert_eq!(store.sweep(expires, 10).await.unwrap(), 0);
    let later = expires + Duration::from_micros(1);
    assert_eq!(store.sweep(later, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn keys_and_data_are_compared_byte_by_byte_whatever_the_collation_is() {
    for charset in [
        "utf8mb4 COLLATE utf8mb4_general_ci",
        "utf8mb4 COLLATE utf8mb4_unicode_ci",
        "utf8mb4 COLLATE utf8mb4_bin",
        "utf8mb3 COLLATE utf8mb3_general_ci",
        "latin1 COLLATE latin1_swedish_ci",
    ] {
        let Some(mut site) = Site::new().await else {
            return;
        };
        let convert = format!(
            "ALTER TABLE {} CONVERT TO CHARACTER SET {charset}",
            site.table
        );
        site.other_client.query_drop(convert).await.unwrap();
        table::a_concurrent_save_of_django_is_not_overwritten(&mut site).await;

        let store = &site.store;
        let seen = store.load(&at(KEY)).await.unwrap().unwrap().version;
        for alike in [KEY.to_uppercase(), format!("{KEY} "), "日本語🗝".to_owned()] {
            let alike = at(&alike);
            assert!(store.load(&alike).await.unwrap().is_none(), "{charset}");
            store.delete(&alike).await.unwrap();
            for stale in [
                store.save(&alike, &seen, &draft("ours")).await,
                store.touch(&alike, &seen, &draft("").meta).await,
                store
                    .rename(&alike, &seen, &at(OTHER), &draft("ours"), None)
                    .await,
            ] {
                assert_eq!(stale.unwrap(), Outcome::Stale, "{charset}");
            }
        }
        written(store.save(&at(KEY), &seen, &draft("ours")).await);
    }
}

#[tokio::test]
async fn old_and_new_data_can_both_be_as_large_as_the_guarantees_promise() {
    let Some(Site { store, .. }) = Site::new().await else {
        return;
    };
    let max_size = store.guarantees().max_size.unwrap();
    let (one, other) = (draft(&"x".repeat(max_size)), draft(&"y".repeat(max_size)));
    let seen = written(store.create(&at(KEY), &one).await);

    let seen = written(store.save(&at(KEY), &seen, &other).await);
    written(store.rename(&at(KEY), &seen, &at(OTHER), &one, None).await);

    assert!(store.load(&at(OTHER)).await.unwrap().unwrap().data == one.data);
    let larger = draft(&"x".repeat(max_size + 1));
    let error = store.create(&at(KEY), &larger).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("max_allowed_packet"), "{error}");
}

#[tokio::test]
async fn an_entry_with_an_invalid_date_is_corrupt() {
    let Some(Site {
        store,
        table,
        mut other_client,
    }) = Site::new().await
    else {
        return;
    };
    written(store.create(&at(KEY), &draft("")).await);
    other_client
        .query_drop("SET SESSION sql_mode = ''")
        .await
        .unwrap();
    let zero = format!("UPDATE {table} SET expire_date = '0000-00-00 00:00:00'");
    other_client.query_drop(zero).await.unwrap();

    let error = store.load(&at(KEY)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_table_with_other_columns_is_refused_and_left_unchanged() {
    let Some((url, _)) = new_database().await else {
        return;
    };
    let mut other_client = Conn::from_url(&url).await.unwrap();
    let theirs = "CREATE TABLE django_session (session_key INT PRIMARY KEY)";
    other_client.query_drop(theirs).await.unwrap();
    let before = shape_of(&mut other_client).await;

    let store = DjangoTable::connect(&url).await.unwrap();
    let error = store.migrate().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("with other columns"), "{error}");
    assert_eq!(shape_of(&mut other_client).await, before);
}

#[tokio::test]
async fn a_sweep_skips_locked_rows_and_stops_at_its_limit() {
    let Some(Site {
        store,
        table,
        mut other_client,
    }) = Site::new().await
    else {
        return;
    };
    let rows: Vec<_> = (0..550)
        .map(|n| format!("('key{n}', 'expired', '2020-01-01')"))
        .collect();
    let fill = format!("INSERT INTO {table} VALUES {}", rows.join(","));
    other_client.query_drop(fill).await.unwrap();
    written(store.create(&at(KEY), &draft("alive")).await);
    other_client.query_drop("START TRANSACTION").await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE session_key = 'key7' FOR UPDATE");
    other_client.query_drop(lock).await.unwrap();

    let now = SystemTime::now();
    assert_eq!(store.sweep(now, 250).await.unwrap(), 250);
    assert_eq!(store.sweep(now, 1_000).await.unwrap(), 299);
    other_client.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep(now, 1_000).await.unwrap(), 1);
    assert!(store.load(&at(KEY)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_save_on_a_killed_connection_is_unavailable_and_a_load_shows_its_outcome() {
    let Some((url, database)) = new_database().await else {
        return;
    };
    let store = DjangoTable::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let seen = written(store.create(&at(KEY), &draft("old")).await);
    let mut other_client = other_client().await.unwrap();
    let theirs = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ?";
    let connections: Vec<u64> = other_client.exec(theirs, (&database,)).await.unwrap();
    assert!(!connections.is_empty());
    for id in connections {
        other_client
            .query_drop(format!("KILL CONNECTION {id}"))
            .await
            .unwrap();
    }

    let error = store
        .save(&at(KEY), &seen, &draft("lost"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.load(&at(KEY)).await.unwrap().unwrap().data, "old");
    written(store.save(&at(KEY), &seen, &draft("new")).await);
}

/// A store on a new table, the name of the table, and a connection that does not belong to the
/// store.
struct Site {
    store: DjangoTable,
    table: String,
    other_client: Conn,
}

impl Site {
    async fn new() -> Option<Self> {
        let (url, table) = (url()?, unique_name());
        let store = django_on(url, &table).await;
        store.migrate().await.unwrap();
        Some(Self {
            store,
            table,
            other_client: other_client().await?,
        })
    }
}

impl table::Site for Site {
    const ASCII_KEYS: bool = true;

    type Table = DjangoTable;

    fn store(&self) -> &DjangoTable {
        &self.store
    }

    fn table(&self) -> &str {
        &self.table
    }

    async fn migrate(&self) -> Result<()> {
        self.store.migrate().await
    }

    async fn run(&mut self, statement: &str) {
        self.other_client.query_drop(statement).await.unwrap();
    }

    async fn ask(&mut self, question: &str) -> String {
        let answer = self.other_client.query_first(question).await.unwrap();
        answer.unwrap()
    }
}

/// The statements of Django 5.2's migration.
const DJANGO_MIGRATION: [&str; 2] = [
    "CREATE TABLE `django_session` (`session_key` varchar(40) NOT NULL PRIMARY KEY, \
     `session_data` longtext NOT NULL, `expire_date` datetime(6) NOT NULL)",
    "CREATE INDEX `django_session_expire_date_a5c62663` ON `django_session` (`expire_date`)",
];

/// Returns the statement that creates `django_session`, as the server describes the table.
async fn shape_of(other_client: &mut Conn) -> String {
    let show = "SHOW CREATE TABLE django_session";
    let shape: Option<(String, String)> = other_client.query_first(show).await.unwrap();
    shape.unwrap().1
}

/// Returns the only row of the table as text.
async fn row(other_client: &mut Conn, table: &str) -> [String; 3] {
    let one = format!("SELECT session_key, session_data, CAST(expire_date AS CHAR) FROM {table}");
    let row: Option<(String, String, String)> = other_client.query_first(one).await.unwrap();
    row.unwrap().into()
}

fn row_of(data: &str, expires: &str) -> [String; 3] {
    [KEY, data, expires].map(str::to_owned)
}
