//! Tests encrypted connections: which servers a store accepts, and that the stores keep their
//! guarantees over TLS.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use cloakroom_harness::servers::{self, KillableServer, Kind};
use cloakroom_testkit::conformance::OnlyText;
use cloakroom_testkit::unique_name;
use support::{django, migrated, on};

cloakroom_harness::tls!(
    postgres,
    Kind::PostgresTls,
    Kind::Postgres,
    async |url: &str| {
        let store = on(url, unique_name()).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);

cloakroom_testkit::conformance!(over_tls, {
    let Some(server) = servers::postgres_tls() else {
        return;
    };
    migrated(server.url()).await
});

cloakroom_testkit::conformance_shared!(two_stores_over_tls, {
    let Some(server) = servers::postgres_tls() else {
        return;
    };
    let table = unique_name();
    let one = on(server.url(), &table).connect().await.unwrap();
    one.migrate().await.unwrap();
    (one, on(server.url(), &table).connect().await.unwrap())
});

cloakroom_testkit::conformance!(a_table_of_django_over_tls, {
    let Some(server) = servers::postgres_tls() else {
        return;
    };
    OnlyText::new(django(server.url(), unique_name()).await)
});

cloakroom_testkit::faults!(
    faults_over_tls,
    KillableServer::new(Kind::PostgresTls),
    async |url: &str, name: &str| {
        let store = on(url, name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);
