//! Tests encrypted connections: which servers a store accepts, and that the stores keep their
//! guarantees over TLS.

use cloakroom_harness::servers::{KillableServer, Kind, mariadb_tls};
use cloakroom_mysql::MysqlStore;
use cloakroom_testkit::conformance::OnlyText;
use cloakroom_testkit::unique_name;

use crate::support::{django_on, on};

cloakroom_harness::tls!(
    mariadb,
    Kind::MariadbTls,
    Kind::Mariadb,
    async |url: &str| {
        let store = MysqlStore::builder(url).table(unique_name());
        let store = store.connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);

cloakroom_testkit::conformance!(over_tls, {
    let Some(server) = mariadb_tls() else { return };
    let store = on(server.url(), &unique_name()).await;
    store.migrate().await.unwrap();
    store
});

cloakroom_testkit::conformance_shared!(two_stores_over_tls, {
    let Some(server) = mariadb_tls() else { return };
    let table = unique_name();
    let one = on(server.url(), &table).await;
    one.migrate().await.unwrap();
    (one, on(server.url(), &table).await)
});

cloakroom_testkit::conformance!(a_table_of_django_over_tls, {
    let Some(server) = mariadb_tls() else { return };
    let store = django_on(server.url(), &unique_name()).await;
    store.migrate().await.unwrap();
    OnlyText::new(store)
});

cloakroom_testkit::faults!(
    faults_over_tls,
    KillableServer::new(Kind::MariadbTls),
    async |url: &str, name: &str| {
        let store = MysqlStore::builder(url).table(name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);
