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
