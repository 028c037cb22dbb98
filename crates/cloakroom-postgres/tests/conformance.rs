//! Runs the conformance suite against `PostgresStore` and `DjangoTable`. A store runs alone, beside
//! another store on the same table, with named statements, or through a pooler in transaction mode.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use cloakroom_harness::servers;
use cloakroom_testkit::conformance::OnlyText;
use cloakroom_testkit::unique_name;
use support::{django, migrated, on, with_option};

cloakroom_testkit::conformance!(postgres, {
    let Some(server) = servers::postgres() else {
        return;
    };
    migrated(server.url()).await
});

cloakroom_testkit::conformance!(postgres_on_one_connection, {
    let Some(server) = servers::postgres() else {
        return;
    };
    let store = on(server.url(), unique_name()).connections(1);
    let store = store.connect().await.unwrap();
    store.migrate().await.unwrap();
    store
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_table, {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let one = on(server.url(), &table).connect().await.unwrap();
    one.migrate().await.unwrap();
    (one, on(server.url(), &table).connect().await.unwrap())
});

cloakroom_testkit::conformance!(a_table_of_django, {
    let Some(server) = servers::postgres() else {
        return;
    };
    OnlyText::new(django(server.url(), unique_name()).await)
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_table_of_django, {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let one = django(server.url(), &table).await;
    OnlyText::pair(one, django(server.url(), &table).await)
});

cloakroom_testkit::conformance!(named_statements, {
    let Some(server) = servers::postgres() else {
        return;
    };
    migrated(&with_option(server.url(), "statements=named")).await
});

cloakroom_testkit::conformance!(through_a_pooler, {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    migrated(server.url()).await
});

cloakroom_testkit::conformance_shared!(two_stores_through_a_pooler, {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let table = unique_name();
    let one = on(server.url(), &table).connect().await.unwrap();
    one.migrate().await.unwrap();
    (one, on(server.url(), &table).connect().await.unwrap())
});

cloakroom_testkit::conformance!(a_table_of_django_through_a_pooler, {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    OnlyText::new(django(server.url(), unique_name()).await)
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_table_of_django_through_a_pooler, {
    let Some(server) = servers::pgbouncer() else {
        return;
    };
    let table = unique_name();
    let one = django(server.url(), &table).await;
    OnlyText::pair(one, django(server.url(), &table).await)
});
