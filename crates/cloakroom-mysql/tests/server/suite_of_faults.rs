use cloakroom_mysql::MysqlStore;
use cloakroom_testkit::servers::{Kind, Mortal};

cloakroom_testkit::faults!(
    mariadb,
    Mortal::new(Kind::Mariadb),
    async |url: &str, name: &str| {
        let store = MysqlStore::builder(url).table(name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);
