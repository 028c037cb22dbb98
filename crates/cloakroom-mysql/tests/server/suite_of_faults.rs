//! Runs the suite of server faults against a MariaDB server that the tests kill and restart.

use cloakroom_harness::servers::{KillableServer, Kind};
use cloakroom_mysql::MysqlStore;

cloakroom_testkit::faults!(
    mariadb,
    KillableServer::new(Kind::Mariadb),
    async |url: &str, name: &str| {
        let store = MysqlStore::builder(url).table(name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);
