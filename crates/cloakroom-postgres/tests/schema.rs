//! Tests migrations: what they create, what they leave unchanged, and what they refuse.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::sync::Arc;

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store};
use cloakroom_harness::servers;
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::unique_name;
use support::{database, migrated, on, other_client, written};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_postgres::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_stores_can_migrate_concurrently_and_repeatedly() {
    let Some(server) = servers::postgres() else {
        return;
    };
    for _ in 0..5 {
        let table = unique_name();
        let start = Arc::new(Barrier::new(8));
        let mut migrations = JoinSet::new();
        for _ in 0..8 {
            let store = on(server.url(), &table).connect().await.unwrap();
            let start = Arc::clone(&start);
            migrations.spawn(async move {
                start.wait().await;
                store.migrate().await.unwrap();
                store
            });
        }
        let stores = migrations.join_all().await;

        written(stores[0].create(&store_key(1), &draft(1)).await);
        for store in &stores {
            store.migrate().await.unwrap();
            let again = store.create(&store_key(1), &draft(2)).await.unwrap();
            assert_eq!(again, Outcome::Stale);
        }
    }
}

#[tokio::test]
async fn migrate_creates_the_same_table_as_the_sql_of_schema() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let (made, printed) = (unique_name(), unique_name());
    let store = on(server.url(), &made).connect().await.unwrap();
    store.migrate().await.unwrap();
    let other_client = other_client(server.url()).await;
    let sql = on(server.url(), &printed).schema().unwrap();
    other_client.batch_execute(&sql).await.unwrap();

    assert_eq!(
        shape_of(&other_client, &made).await,
        shape_of(&other_client, &printed).await
    );
    assert_eq!(store.schema(), sql.replace(&printed, &made));
    let by_hand = on(server.url(), &printed).connect().await.unwrap();
    by_hand.migrate().await.unwrap();
    written(by_hand.create(&store_key(1), &draft(1)).await);
}

#[tokio::test]
async fn tables_with_the_longest_names_have_separate_indexes() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let other_client = other_client(server.url()).await;
    let first_62 = format!("{:x<62}", unique_name());
    let tables = ["a", "b"].map(|last| format!("{first_62}{last}"));
    for table in &tables {
        let store = on(server.url(), table).connect().await.unwrap();
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        written(store.create(&store_key(1), &draft(1)).await);

        let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = $1";
        let row = other_client.query_one(indexes, &[table]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 3, "indexes of {table}");
    }
    let django = format!("{first_62}c");
    // The first round creates Django's table. The second round finds that nothing is missing.
    for _ in 0..2 {
        support::django(server.url(), &django).await;
    }
}

#[tokio::test]
async fn migrate_creates_a_missing_index() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let other_client = other_client(server.url()).await;
    let whole = shape_of(&other_client, &table).await;
    let drop_index = format!("DROP INDEX {table}_sweep");
    other_client.batch_execute(&drop_index).await.unwrap();
    assert_ne!(shape_of(&other_client, &table).await, whole);

    store.migrate().await.unwrap();

    assert_eq!(shape_of(&other_client, &table).await, whole);
}

#[tokio::test]
async fn a_table_with_other_columns_is_refused_and_left_unchanged() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let other_client = other_client(server.url()).await;
    let theirs = format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY, owner TEXT)");
    other_client.batch_execute(&theirs).await.unwrap();
    let before = shape_of(&other_client, &table).await;

    let store = on(server.url(), &table).connect().await.unwrap();
    let error = store.migrate().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        format!(
            "creating the sessions table in PostgreSQL: there is a table `{table}` with other \
             columns; choose another name with `table`"
        )
    );
    assert_eq!(shape_of(&other_client, &table).await, before);
}

#[tokio::test]
async fn the_tables_of_the_application_are_left_unchanged() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let url = database(server.url()).await;
    let other_client = other_client(&url).await;
    let theirs = "CREATE TABLE book (title TEXT); INSERT INTO book VALUES ('Middlemarch')";
    other_client.batch_execute(theirs).await.unwrap();

    let store = on(&url, "cloakroom_session").connect().await.unwrap();
    store.migrate().await.unwrap();
    written(store.create(&store_key(1), &draft(1)).await);
    store
        .sweep(draft(1).meta.expires, usize::MAX)
        .await
        .unwrap();

    let titles = other_client.query("TABLE book", &[]).await.unwrap();
    let titles: Vec<&str> = titles.iter().map(|row| row.get(0)).collect();
    let tables = "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let tables = other_client.query(tables, &[]).await.unwrap();
    let tables: Vec<&str> = tables.iter().map(|row| row.get(0)).collect();
    assert_eq!(titles, ["Middlemarch"]);
    assert_eq!(tables, ["book", "cloakroom_session"]);
}

#[tokio::test]
async fn stores_on_different_tables_do_not_see_each_others_sessions() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let visitors = migrated(server.url()).await;
    let staff = on(server.url(), format!("Order_{}", unique_name()));
    let staff = staff.connect().await.unwrap();
    staff.migrate().await.unwrap();

    written(staff.create(&store_key(1), &draft(1)).await);

    let owner = draft(1).meta.owner.unwrap();
    assert!(visitors.load(&store_key(1)).await.unwrap().is_none());
    assert!(
        visitors
            .owned_by(&owner, None, usize::MAX)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    visitors.delete(&store_key(1)).await.unwrap();
    assert!(staff.load(&store_key(1)).await.unwrap().is_some());
    assert_eq!(
        staff
            .owned_by(&owner, None, usize::MAX)
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
}

#[tokio::test]
async fn the_table_is_found_in_the_schema_that_the_url_names() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let (schema, table) = (unique_name(), unique_name());
    let other_client = other_client(server.url()).await;
    let create = format!("CREATE SCHEMA {schema}");
    other_client.batch_execute(&create).await.unwrap();
    let url = support::with_option(
        server.url(),
        &format!("options=-c%20search_path%3D{schema}"),
    );

    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    written(store.create(&store_key(1), &draft(1)).await);

    let count = format!("SELECT COUNT(*) FROM {schema}.{table}");
    let count: i64 = other_client.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
}

#[tokio::test]
async fn options_out_of_range_are_refused_before_connecting() {
    let nowhere = "postgres://127.0.0.1:1/nowhere";
    for options in [
        on(nowhere, "a; DROP TABLE book"),
        on(nowhere, "ok").connections(0),
        on(nowhere, "ok").connections(65),
        on("http://127.0.0.1", "ok"),
    ] {
        let error = options.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
}

/// Describes the columns, options, constraints and indexes of a table. The description does not
/// contain the name of the table, so the descriptions of two tables can be compared.
async fn shape_of(other_client: &Client, table: &str) -> String {
    let question = "SELECT concat_ws(E'\n',
        (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull
            || ' ' || attcollation::regcollation, ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = oid AND attnum > 0),
        reloptions::TEXT, relpersistence,
        (SELECT string_agg(conname || ' ' || pg_get_constraintdef(c.oid), E'\n' ORDER BY conname)
            FROM pg_constraint c WHERE conrelid = pg_class.oid),
        (SELECT string_agg(pg_get_indexdef(indexrelid), E'\n' ORDER BY pg_get_indexdef(indexrelid))
            FROM pg_index WHERE indrelid = oid))
        FROM pg_class WHERE oid = to_regclass($1)";
    let row = other_client.query_one(question, &[&table]).await.unwrap();
    let shape: String = row.get(0);
    shape.replace(table, "{table}")
}
