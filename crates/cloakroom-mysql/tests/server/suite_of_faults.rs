use cloakroom_mysql::MysqlStore;
use cloakroom_testkit::servers::Kind;

cloakroom_testkit::faults!(mariadb, Kind::Mariadb, async |url: &str, name: &str| {
    let store = MysqlStore::builder(url).table(name).connect().await?;
    store.migrate().await?;
    Ok(store)
});
