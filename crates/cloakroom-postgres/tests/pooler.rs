//! Tests the stores behind PgBouncer in transaction mode, where each transaction of a client may
//! run on a different connection to the server, and other clients use the same connections.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::env;
use std::process::{Command, Stdio};

use cloakroom::store::{Outcome, Store};
use cloakroom::{ErrorKind, StoreKey};
use cloakroom_harness::servers;
use cloakroom_postgres::{DjangoTable, PostgresStore};
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::{Proxy, unique_name};
use support::{
    database, django, migrated, migrated_on, on, other_client, until, with_database, with_option,
    written,
};
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_pool_run_their_own_statements() {
    if let Ok(arguments) = env::var(OTHER_PROCESS) {
        let (url, table) = arguments.split_once(' ').unwrap();
        return use_sessions(url, table, OTHER_KEYS).await;
    }
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let table = unique_name();
    migrated_on(server.url(), &table).await;

    let this_test = "two_processes_on_one_pool_run_their_own_statements";
    let mut other = Command::new(env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture"])
        .env(OTHER_PROCESS, format!("{} {table}", server.url()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    use_sessions(server.url(), &table, 0).await;
    let ended = tokio::task::spawn_blocking(move || other.wait()).await;

    assert!(
        ended.unwrap().unwrap().success(),
        "the other process failed"
    );
    let observer = on(server.url(), &table).connect().await.unwrap();
    for first in [0, OTHER_KEYS] {
        for n in (first..first + VISITORS * VISITS).step_by(2) {
            let kept = observer.load(&store_key(n)).await.unwrap();
            assert_eq!(kept.unwrap().data, draft(n + 1).data);
            let ended = observer.load(&store_key(n + 1)).await.unwrap();
            assert!(ended.is_none(), "an acknowledged logout was undone");
        }
    }
}

/// Creates, saves and loads sessions, and ends every second one.
async fn use_sessions(url: &str, table: &str, first_key: u64) {
    let store = on(url, table).connect().await.unwrap();
    let mut visitors = JoinSet::new();
    for visitor in 0..VISITORS {
        let store = store.clone();
        visitors.spawn(async move {
            let first_key = first_key + visitor * VISITS;
            for n in first_key..first_key + VISITS {
                let key = store_key(n);
                let seen = written(store.create(&key, &draft(n)).await);
                written(store.save(&key, &seen, &draft(n + 1)).await);
                let loaded = store.load(&key).await.unwrap();
                assert_eq!(loaded.expect("the session is live").data, draft(n + 1).data);
                if n % 2 == 1 {
                    store.delete(&key).await.unwrap();
                    assert!(store.load(&key).await.unwrap().is_none());
                }
            }
        });
    }
    visitors.join_all().await;
}

#[tokio::test]
async fn a_call_never_runs_a_statement_that_another_client_has_prepared() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let (url, table) = (database(server.url()).await, unique_name());
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let other = other_client(&url).await;
    // `s0`, `s1` and so on are the names that the store's driver would use.
    for n in 0..1_000 {
        let prepare = format!("PREPARE s{n} (bytea) AS DELETE FROM {table} WHERE lookup <> $1");
        other.batch_execute(&prepare).await.unwrap();
    }

    call_everything(&store).await;
}

#[tokio::test]
async fn the_settings_of_the_store_and_of_other_clients_do_not_affect_each_other() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let url = database(server.url()).await;
    let (table, django_table) = (unique_name(), unique_name());
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let django_store = django(&url, &django_table).await;
    let other = other_client(&url).await;
    assert_eq!(session_of(&other).await, CLEAN, "{LEAKED}");
    let recorded = record_settings(&other, &[&table, &django_table]).await;
    // Besides changing settings, this client creates two tables that hide the tables of the stores.
    let hostile = format!(
        "CREATE TEMP TABLE {table} (LIKE {table} INCLUDING ALL);
         CREATE SCHEMA elsewhere;
         CREATE TABLE elsewhere.{django_table} (LIKE {django_table} INCLUDING ALL);
         SET search_path = elsewhere;
         SET synchronous_commit = off;
         SET lock_timeout = 0;
         SET statement_timeout = '1h';
         SET default_transaction_isolation = 'serializable';
         SET default_transaction_read_only = on"
    );
    other.batch_execute(&hostile).await.unwrap();
    let before = session_of(&other).await;
    assert!(before.contains("search_path = elsewhere"), "{before}");

    call_everything(&store).await;
    call_everything_of_django(&django_store).await;
    store.migrate().await.unwrap();
    django_store.migrate().await.unwrap();

    assert_eq!(session_of(&other).await, before, "{LEAKED}");
    assert_eq!(
        recorded_settings(&other, &recorded).await,
        "synchronous_commit on, read committed, timeouts 3s, 0"
    );
}

#[tokio::test]
async fn settings_that_are_strict_enough_are_left_unchanged() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let (url, table) = (database(server.url()).await, unique_name());
    let options =
        "options=-c%20synchronous_commit%3Dlocal%20--lock-timeout%3D1s%20-cstatement_timeout%3D5s";
    let store = on(&with_option(&url, options), &table).connect().await;
    let store = store.unwrap();
    store.migrate().await.unwrap();
    let other = other_client(&url).await;
    let recorded = record_settings(&other, &[&table]).await;

    call_everything(&store).await;

    assert_eq!(
        recorded_settings(&other, &recorded).await,
        "synchronous_commit local, read committed, timeouts 1s, 5s"
    );
    assert_eq!(session_of(&other).await, CLEAN, "{LEAKED}");
}

#[tokio::test]
async fn every_name_in_the_search_path_is_kept() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let url = database(server.url()).await;
    let other = other_client(&url).await;
    let schemas = r#"CREATE SCHEMA "O'Hara, ""Scarlett"" \"; CREATE SCHEMA second"#;
    other.batch_execute(schemas).await.unwrap();
    for (path, schema) in [
        (
            r#"missing,"O'Hara, ""Scarlett"" \\",second"#,
            r#"O'Hara, "Scarlett" \"#,
        ),
        ("Second", "second"),
        (r#""Second",SECOND"#, "second"),
        (r#""$user",public"#, "public"),
    ] {
        let encoded: String = path.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let options = format!(
            "options=-csearch_path%3D{}",
            encoded.replace("%20", "%5C%20")
        );
        let table = unique_name();
        let store = on(&with_option(&url, &options), &table).connect().await;
        let store = store.unwrap();
        store.migrate().await.unwrap();
        call_everything(&store).await;

        let question = "SELECT nspname::TEXT FROM pg_class c JOIN pg_namespace n
            ON n.oid = relnamespace WHERE relname = $1";
        let found = other.query_typed(question, &[(&table, Type::TEXT)]).await;
        assert_eq!(found.unwrap()[0].get::<_, &str>(0), schema, "{path}");
    }

    // No schema of this path exists, so the server could create only a temporary table, on a
    // connection that other clients use.
    let nowhere = on(
        &with_option(&url, "options=-csearch_path%3Dmissing"),
        "sessions",
    );
    let error = nowhere
        .connect()
        .await
        .unwrap()
        .migrate()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("no schema"), "{error:#}");
}

#[tokio::test]
async fn options_that_cannot_be_set_in_a_transaction_are_refused() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    for (options, why) in [
        ("-c%20shared_buffers%3D1GB", "a setting in `options`"),
        ("-c%20no_such_setting%3D1", "a setting in `options`"),
        ("-c%20lock_timeout%3Dsoon", "a setting in `options`"),
        ("-d%205", "`options` may contain only"),
        ("-c%20lock_timeout", "`options` may contain only"),
    ] {
        let url = with_option(server.url(), &format!("options={options}"));
        let error = PostgresStore::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{options}: {error:#}");
        assert!(error.to_string().contains(why), "{options}: {error:#}");
    }
}

#[tokio::test]
async fn named_statements_through_a_transaction_pooler_are_refused() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let url = database(server.url()).await;
    let error = PostgresStore::connect(&with_option(&url, "statements=named"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config, "{error:#}");
    assert!(
        error.to_string().contains("remove `statements=named`"),
        "{error}"
    );
    let other = other_client(&url).await;
    assert_eq!(session_of(&other).await, CLEAN, "{LEAKED}");
}

#[tokio::test]
async fn named_statements_beside_those_of_another_client_are_refused() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let url = database(server.url()).await;
    let other = other_client(&url).await;
    other.batch_execute("PREPARE s4 AS SELECT 1").await.unwrap();

    let error = PostgresStore::connect(&with_option(&url, "statements=named"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config, "{error:#}");
    assert_eq!(session_of(&other).await, "statements s4");
}

#[tokio::test]
async fn named_statements_work_through_a_pooler_in_session_mode() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let url = with_option(&with_database(server.url(), "session"), "statements=named");
    call_everything(&migrated(&url).await).await;
}

#[tokio::test]
async fn a_pooler_in_statement_mode_is_refused() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let url = with_database(server.url(), "statement");
    let error = PostgresStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:#}");
    assert!(
        error.to_string().contains("in transaction or session mode"),
        "{error}"
    );
}

#[tokio::test]
async fn every_call_is_one_round_trip() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    for url in [
        server.url().to_owned(),
        with_option(&with_database(server.url(), "session"), "statements=named"),
    ] {
        let proxy = Proxy::to(&url);
        let store = on(proxy.url(), unique_name()).connections(1);
        let store = store.connect().await.unwrap();
        store.migrate().await.unwrap();
        call_everything(&store).await; // Prepares the named statements.
        let before = proxy.round_trips();
        let calls = call_everything(&store).await;
        assert_eq!(proxy.round_trips() - before, calls, "{url}");
    }
}

#[tokio::test]
async fn a_load_is_sent_again_if_the_pooler_loses_its_connection_to_the_server() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    written(store.create(&store_key(1), &draft(1)).await);
    let direct = with_database(server.url(), "session");
    let (locker, admin) = (other_client(&direct).await, other_client(&direct).await);
    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    locker.batch_execute(&lock).await.unwrap();

    let loading = tokio::spawn({
        let store = store.clone();
        async move { store.load(&store_key(1)).await }
    });
    let waiting =
        format!("FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{table}%'");
    let waits = format!("SELECT EXISTS (SELECT {waiting})");
    until(&admin, "the load waits", &waits).await;
    let kill = format!("SELECT pg_terminate_backend(pid) {waiting}");
    assert_eq!(admin.query(&kill, &[]).await.unwrap().len(), 1);
    locker.batch_execute("ROLLBACK").await.unwrap();

    let entry = loading.await.unwrap().unwrap();
    assert_eq!(entry.unwrap().data, draft(1).data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_store_does_not_use_up_the_pool() {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let url = database(server.url()).await;
    let table = unique_name();
    let busy = migrated_on(&url, &table).await;
    let quiet = migrated(&url).await;
    written(busy.create(&store_key(1), &draft(1)).await);
    // Makes loads so slow that the next one is always waiting when one is answered.
    let slow = format!(
        "ALTER TABLE {table} RENAME TO {table}_rows;
         CREATE VIEW {table} AS SELECT rows.* FROM {table}_rows rows, pg_sleep(0.002)"
    );
    other_client(&url).await.batch_execute(&slow).await.unwrap();

    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let busy = busy.clone();
        callers.spawn(async move {
            for _ in 0..200 {
                busy.load(&store_key(1)).await.unwrap();
            }
        });
    }
    for n in 0..5 {
        written(quiet.create(&store_key(n), &draft(n)).await);
    }
    assert!(callers.try_join_next().is_none(), "the quiet store waited");
}

/// Calls every method of the trait `Store` at least once, and returns the number of calls.
async fn call_everything(store: &PostgresStore) -> usize {
    let [one, two] = [store_key(1), store_key(2)];
    let seen = written(store.create(&one, &draft(1)).await);
    let seen = written(store.save(&one, &seen, &draft(2)).await);
    written(store.touch(&one, &seen, &draft(3).meta).await);
    let seen = written(store.rename(&one, &seen, &two, &draft(4), None).await);
    assert!(store.load(&two).await.unwrap().unwrap().version == seen);
    assert!(store.load(&one).await.unwrap().is_none());
    let found = store.find(&two.as_bytes()[..12]).await.unwrap();
    assert!(found.as_ref() == Some(&two));
    store.ping().await.unwrap();
    store.sweep(std::time::UNIX_EPOCH, 10).await.unwrap();
    let owner = draft(4).meta.owner.unwrap();
    store.owned_by(&owner, None, 10).await.unwrap();
    store.delete(&two).await.unwrap();
    assert!(store.load(&two).await.unwrap().is_none());
    12
}

/// Calls the methods that Django's table supports, and checks that they succeed.
async fn call_everything_of_django(store: &DjangoTable) {
    let text = |text: &'static str| {
        let mut text_draft = draft(1);
        text_draft.data = text.as_bytes().into();
        text_draft.meta.owner = None;
        text_draft
    };
    let [one, two] = [StoreKey::new(b"one"), StoreKey::new(b"two")];
    let seen = written(store.create(&one, &text("a")).await);
    let seen = written(store.save(&one, &seen, &text("b")).await);
    written(store.touch(&one, &seen, &text("b").meta).await);
    let seen = written(store.rename(&one, &seen, &two, &text("c"), None).await);
    assert!(store.load(&two).await.unwrap().unwrap().version == seen);
    assert_eq!(
        store.save(&one, &seen, &text("d")).await.unwrap(),
        Outcome::Stale
    );
    store.ping().await.unwrap();
    store.sweep(std::time::UNIX_EPOCH, 10).await.unwrap();
    store.delete(&two).await.unwrap();
}

/// Creates triggers that record the settings under which each write to `tables` runs. Returns the
/// name of the table that contains the records.
async fn record_settings(other_client: &Client, tables: &[&str]) -> String {
    let name = unique_name();
    let create = format!(
        "CREATE TABLE {name} (settings TEXT);
         CREATE FUNCTION {name}_record() RETURNS trigger LANGUAGE plpgsql AS $record$ BEGIN
             INSERT INTO public.{name} VALUES (format('synchronous_commit %s, %s, timeouts %s, %s',
                 current_setting('synchronous_commit'), current_setting('transaction_isolation'),
                 current_setting('lock_timeout'), current_setting('statement_timeout')));
             RETURN NULL;
         END $record$"
    );
    other_client.batch_execute(&create).await.unwrap();
    for table in tables {
        let record = format!(
            "CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON {table}
                 FOR EACH STATEMENT EXECUTE FUNCTION {name}_record()"
        );
        other_client.batch_execute(&record).await.unwrap();
    }
    name
}

/// Returns the settings in the table `recorded`, which [`record_settings`] created.
async fn recorded_settings(other_client: &Client, recorded: &str) -> String {
    let question = format!("SELECT string_agg(DISTINCT settings, '; ') FROM public.{recorded}");
    let settings = other_client.query_typed(&question, &[]).await.unwrap();
    settings[0].get(0)
}

/// Describes what clients have left in the server process that this connection uses: settings,
/// prepared statements, cursors, channels and locks.
async fn session_of(other_client: &Client) -> String {
    let question = "SELECT concat_ws('; ',
        (SELECT string_agg(name || ' = ' || setting, ', ' ORDER BY name) FROM pg_settings
            WHERE source = 'session'
                AND name <> 'application_name' -- set by PgBouncer for each of its clients
                AND name NOT LIKE 'transaction\\_%'), -- last for one transaction
        (SELECT 'statements ' || string_agg(name, ', ') FROM pg_prepared_statements),
        (SELECT 'cursors ' || string_agg(name, ', ') FROM pg_cursors WHERE name <> ''),
        (SELECT 'channels ' || string_agg(name, ', ') FROM pg_listening_channels() name),
        (SELECT 'locks ' || string_agg(locktype, ', ') FROM pg_locks
            WHERE pid = pg_backend_pid() AND locktype = 'advisory'))";
    let described = other_client.query_typed(question, &[]).await.unwrap();
    described[0].get(0)
}

/// What [`session_of`] returns for a new connection.
const CLEAN: &str = "";

const LEAKED: &str = "the store left something on the server connection";

/// The environment variable that passes the URL and the table to the other process.
const OTHER_PROCESS: &str = "CLOAKROOM_TEST_OTHER_PROCESS";

/// The number of concurrent tasks in each process.
const VISITORS: u64 = 8;

/// The number of sessions that each task uses.
const VISITS: u64 = 60;

/// The number of the first key of the other process.
const OTHER_KEYS: u64 = 1_000_000;
