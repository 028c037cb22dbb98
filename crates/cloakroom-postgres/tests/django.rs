//! Tests `DjangoTable`: what it writes to Django's table, what it leaves unchanged, and what its
//! calls cost.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::store::{Meta, Outcome, Store, Version, from_micros};
use cloakroom::{ErrorKind, Result};
use cloakroom_harness::django::table::{self, DATA, KEY, OTHER, at, draft, expiring};
use cloakroom_harness::django::written;
use cloakroom_harness::servers;
use cloakroom_postgres::DjangoTable;
use cloakroom_testkit::Proxy;
use cloakroom_testkit::unique_name;

use support::{database, django, other_client, until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_postgres::Client;

cloakroom_harness::django_table!(djangos_table, {
    let Some(site) = Site::new().await else {
        return;
    };
    site
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_creates_exactly_the_table_that_djangos_migration_creates() {
    let Some(server) = servers::postgres() else {
        return;
    };
    // The stores migrate the database `made`. In the database `printed`, the test runs the SQL of
    // `schema`.
    let (made, printed) = (database(server.url()).await, database(server.url()).await);
    let start = Arc::new(Barrier::new(4));
    let mut migrations = JoinSet::new();
    for _ in 0..4 {
        let (url, start) = (made.clone(), Arc::clone(&start));
        migrations.spawn(async move {
            let store = DjangoTable::connect(&url).await.unwrap();
            start.wait().await;
            store.migrate().await.unwrap();
            store
        });
    }
    let stores = migrations.join_all().await;
    let by_hand = other_client(&printed).await;
    by_hand.batch_execute(&stores[0].schema()).await.unwrap();

    assert_eq!(shape_of(&other_client(&made).await).await, DJANGO_SCHEMA);
    assert_eq!(shape_of(&by_hand).await, DJANGO_SCHEMA);
    assert_eq!(
        DjangoTable::builder(&printed).schema().unwrap(),
        stores[0].schema()
    );
    let store = DjangoTable::connect(&printed).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(shape_of(&by_hand).await, DJANGO_SCHEMA);
}

#[tokio::test]
async fn a_row_contains_what_django_would_write() {
    let Some(Site {
        store,
        table,
        other_client,
    }) = Site::new().await
    else {
        return;
    };
    // The time zone of a connection must not matter, because the column stores instants.
    let set_time_zone = "SET TIME ZONE 'Asia/Kolkata'";
    other_client.batch_execute(set_time_zone).await.unwrap();
    for (micros, text) in [
        (1_768_532_645_250_000, "2026-01-16 03:04:05.25"),
        (1_768_532_645_000_000, "2026-01-16 03:04:05"),
        (1_768_532_645_000_001, "2026-01-16 03:04:05.000001"),
    ] {
        let expires = from_micros(micros);
        let seen = written(store.create(&at(KEY), &expiring(DATA, expires)).await);
        assert_eq!(row(&other_client, &table).await, row_of(DATA, text));
        let entry = store.load(&at(KEY)).await.unwrap().unwrap();
        assert_eq!(entry.meta.expires, expires);

        let new = expiring("e30:1vbVSP:new", expires + Duration::from_secs(60));
        let seen = written(store.save(&at(KEY), &seen, &new).await);
        let meta = expiring("", expires).meta;
        written(store.touch(&at(KEY), &seen, &meta).await);
        assert_eq!(
            row(&other_client, &table).await,
            row_of("e30:1vbVSP:new", text)
        );

        store.delete(&at(KEY)).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_of_django_is_loaded_and_swept_by_djangos_rules() {
    let Some(Site {
        store,
        table,
        other_client,
    }) = Site::new().await
    else {
        return;
    };
    let insert =
        format!("INSERT INTO {table} VALUES ('{KEY}', '{DATA}', '2026-01-02 03:04:05.3+00')");
    other_client.batch_execute(&insert).await.unwrap();
    let expires = from_micros(1_767_323_045_300_000);

    let entry = store.load(&at(KEY)).await.unwrap().unwrap();
    assert_eq!(entry.data, DATA);
    assert!(entry.version == Version::from_bytes(DATA.into()));
    assert_eq!(entry.meta, Meta::new(UNIX_EPOCH, UNIX_EPOCH, expires));
    assert_eq!(store.sweep(expires, 10).await.unwrap(), 0);
    let later = expires + Duration::from_micros(1);
    assert_eq!(store.sweep(later, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn data_is_compared_byte_by_byte_whatever_the_collation_is() {
    let Some(mut site) = Site::new().await else {
        return;
    };
    let table = &site.table;
    let collation = format!(
        "CREATE COLLATION {table}_ci (
             provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         ALTER TABLE {table} ALTER session_data TYPE text COLLATE {table}_ci"
    );
    // A server that was built without ICU cannot create this collation. Then the test ends here.
    if site.other_client.batch_execute(&collation).await.is_ok() {
        table::a_concurrent_save_of_django_is_not_overwritten(&mut site).await;
    }
}

#[tokio::test]
async fn an_expiry_out_of_range_is_clamped_and_an_expiry_that_is_text_is_corrupt() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = django(server.url(), &table).await;
    let other_client = other_client(server.url()).await;
    written(store.create(&at(KEY), &draft("")).await);
    for (text, expires) in [
        ("infinity", from_micros(i64::MAX)),
        ("-infinity", UNIX_EPOCH),
        ("1969-12-31 23:59:59+00", UNIX_EPOCH),
    ] {
        let set = format!("UPDATE {table} SET expire_date = '{text}'");
        other_client.batch_execute(&set).await.unwrap();
        let entry = store.load(&at(KEY)).await.unwrap().unwrap();
        assert_eq!(entry.meta.expires, expires);
    }
    drop(store);

    let alter = format!("ALTER TABLE {table} ALTER expire_date TYPE text");
    other_client.batch_execute(&alter).await.unwrap();
    let store = DjangoTable::builder(server.url()).table(&table);
    let store = store.connect().await.unwrap();
    let error = store.load(&at(KEY)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let error = store.migrate().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("with other columns"), "{error}");
}

#[tokio::test]
async fn a_sweep_skips_locked_rows() {
    let Some(Site {
        store,
        table,
        other_client,
    }) = Site::new().await
    else {
        return;
    };
    let fill = format!(
        "INSERT INTO {table} SELECT 'key' || n, 'expired', '2020-01-01 00:00:00+00'
            FROM generate_series(1, 2500) n"
    );
    other_client.batch_execute(&fill).await.unwrap();
    let lock = format!("BEGIN; SELECT FROM {table} WHERE session_key = 'key7' FOR UPDATE");
    other_client.batch_execute(&lock).await.unwrap();

    let now = SystemTime::now();
    assert_eq!(store.sweep(now, 1_500).await.unwrap(), 1_500);
    assert_eq!(store.sweep(now, 10_000).await.unwrap(), 999);
    other_client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep(now, 10_000).await.unwrap(), 1);
}

#[tokio::test]
async fn each_call_is_one_round_trip() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = DjangoTable::builder(proxy.url()).table(unique_name());
    let store = store.connections(1).connect().await.unwrap();
    store.migrate().await.unwrap();

    let mut costs = Vec::new();
    // Only the second round counts: in the first one, the server may have to prepare statements.
    for _ in 0..2 {
        costs.clear();
        let mut before = proxy.round_trips();
        let mut record = |call: &'static str| {
            let now = proxy.round_trips();
            costs.push((call, now - before));
            before = now;
        };
        let (new, newer) = (draft("new"), draft("newer"));
        let seen = written(store.create(&at(KEY), &new).await);
        record("create");
        store.load(&at(KEY)).await.unwrap();
        record("load");
        let seen = written(store.save(&at(KEY), &seen, &newer).await);
        record("save");
        let seen = written(store.touch(&at(KEY), &seen, &new.meta).await);
        record("touch");
        written(store.rename(&at(KEY), &seen, &at(OTHER), &new, None).await);
        record("rename");
        store.ping().await.unwrap();
        record("ping");
        store.sweep(UNIX_EPOCH, 200).await.unwrap();
        record("sweep");
        store.delete(&at(OTHER)).await.unwrap();
        record("delete");
    }

    for (call, round_trips) in costs {
        assert_eq!(round_trips, 1, "{call}");
    }
}

#[tokio::test]
async fn if_the_answer_is_lost_a_save_is_unavailable_and_a_delete_is_sent_again() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = django(proxy.url(), unique_name()).await;
    let seen = written(store.create(&at(KEY), &draft("one")).await);
    let seen = written(store.save(&at(KEY), &seen, &draft("two")).await);

    proxy.lose_answer_after(0);
    let error = store
        .save(&at(KEY), &seen, &draft("three"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let entry = store.load(&at(KEY)).await.unwrap().unwrap();
    assert_eq!(entry.data, "three");
    let again = store.save(&at(KEY), &seen, &draft("three")).await;
    assert_eq!(again.unwrap(), Outcome::Stale);

    store.delete(&at(OTHER)).await.unwrap();
    proxy.lose_answer_after(0);
    store.delete(&at(KEY)).await.unwrap();
    assert!(store.load(&at(KEY)).await.unwrap().is_none());
}

#[tokio::test]
async fn no_statement_reads_more_of_the_table_than_it_needs() {
    let Some(Site {
        store,
        table,
        other_client,
    }) = Site::new().await
    else {
        return;
    };
    let fill = format!(
        "INSERT INTO {table} SELECT 'key' || n, 'data', to_timestamp(n * 60)
            FROM generate_series(1, 20000) n;
         ANALYZE {table}"
    );
    other_client.batch_execute(&fill).await.unwrap();

    let new = draft("new");
    let seen = written(store.create(&at(KEY), &new).await);
    let seen = written(store.save(&at(KEY), &seen, &draft("newer")).await);
    let seen = written(store.touch(&at(KEY), &seen, &new.meta).await);
    written(store.rename(&at(KEY), &seen, &at(OTHER), &new, None).await);
    store.load(&at(KEY)).await.unwrap();
    store.ping().await.unwrap();
    store.delete(&at(OTHER)).await.unwrap();
    let swept = store.sweep(from_micros(600_000_001), 100).await.unwrap();
    assert_eq!(swept, 10);
    drop(store);

    // Wait until the server's statistics contain the statements above.
    let seen = format!("SELECT idx_scan >= 8 FROM pg_stat_user_tables WHERE relname = '{table}'");
    until(&other_client, "the statistics arrive", &seen).await;
    let question = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = $1";
    let read = other_client.query_one(question, &[&table]).await.unwrap();
    let read: i64 = read.get(0);
    // A ping reads one row without an index.
    assert!(read <= 1, "{read} rows were read without an index");
}

/// A store on a new table, the name of the table, and a connection that does not belong to the
/// store.
struct Site {
    store: DjangoTable,
    table: String,
    other_client: Client,
}

impl Site {
    async fn new() -> Option<Self> {
        let (url, table) = (servers::postgres()?.url(), unique_name());
        Some(Self {
            store: django(url, &table).await,
            other_client: other_client(url).await,
            table,
        })
    }
}

impl table::Site for Site {
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
        self.other_client.batch_execute(statement).await.unwrap();
    }

    async fn ask(&mut self, question: &str) -> String {
        let row = self.other_client.query_one(question, &[]).await.unwrap();
        row.get(0)
    }
}

/// Returns the columns and the indexes of `django_session` as PostgreSQL describes them.
async fn shape_of(other_client: &Client) -> Vec<String> {
    let shape = "SELECT attname || ' ' || format_type(atttypid, atttypmod)
                || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
            FROM pg_attribute WHERE attrelid = to_regclass('django_session') AND attnum > 0
        UNION ALL SELECT indexdef FROM pg_indexes WHERE tablename = 'django_session'";
    let rows = other_client.query(shape, &[]).await.unwrap();
    let mut shape: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    shape.sort();
    shape
}

/// The columns and indexes that Django 5.2 creates, as [`shape_of`] returns them.
const DJANGO_SCHEMA: [&str; 6] = [
    "CREATE INDEX django_session_expire_date_a5c62663 ON public.django_session \
     USING btree (expire_date)",
    "CREATE INDEX django_session_session_key_c0390e0f_like ON public.django_session \
     USING btree (session_key varchar_pattern_ops)",
    "CREATE UNIQUE INDEX django_session_pkey ON public.django_session USING btree (session_key)",
    "expire_date timestamp with time zone NOT NULL",
    "session_data text NOT NULL",
    "session_key character varying(40) NOT NULL",
];

/// Returns the only row of the table, with the instant in UTC.
async fn row(other_client: &Client, table: &str) -> Vec<String> {
    let one = format!(
        "SELECT session_key, session_data, (expire_date AT TIME ZONE 'UTC')::TEXT FROM {table}"
    );
    let row = other_client.query_one(&one, &[]).await.unwrap();
    (0..3).map(|n| row.get(n)).collect()
}

fn row_of(data: &str, expires: &str) -> Vec<String> {
    [KEY, data, expires].map(str::to_owned).into()
}
