//! What these tests share.

use cloakroom::store::SaveId;
use cloakroom::store::{Draft, Meta, Outcome, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_harness::servers::mariadb;
use cloakroom_mysql::{DjangoTable, MysqlStore};
use cloakroom_testkit::unique_name;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Where the server is, if there is one.
pub(crate) fn url() -> Option<&'static str> {
    Some(mariadb()?.url())
}

/// A store with a table of its own.
pub(crate) async fn store() -> Option<MysqlStore> {
    let (store, _) = two_stores().await?;
    Some(store)
}

/// Two stores with one table, as two processes have them.
pub(crate) async fn two_stores() -> Option<(MysqlStore, MysqlStore)> {
    let table = unique_name();
    let one = on(url()?, &table).await;
    one.migrate().await.unwrap();
    Some((one, on(url()?, &table).await))
}

/// Two stores on one table as Django makes it.
pub(crate) async fn django() -> Option<(DjangoTable, DjangoTable)> {
    let table = unique_name();
    let one = django_on(url()?, &table).await;
    one.migrate().await.unwrap();
    Some((one, django_on(url()?, &table).await))
}

/// A store on this table of Django's.
pub(crate) async fn django_on(url: &str, table: &str) -> DjangoTable {
    DjangoTable::builder(url)
        .table(table)
        .connect()
        .await
        .unwrap()
}

/// A store on this table.
pub(crate) async fn on(url: &str, table: &str) -> MysqlStore {
    MysqlStore::builder(url)
        .table(table)
        .connect()
        .await
        .unwrap()
}

/// A connection of somebody else: the application, or an administrator.
pub(crate) async fn neighbour() -> Option<Conn> {
    Some(Conn::from_url(url()?).await.unwrap())
}

/// The URL of a new database, and its name: whoever is connected to it is the store.
pub(crate) async fn new_database() -> Option<(String, String)> {
    let name = unique_name();
    neighbour()
        .await?
        .query_drop(format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let (server, _) = url()?.rsplit_once('/').unwrap();
    Some((format!("{server}/{name}"), name))
}

/// Makes a user with these rights, each a `GRANT` up to the name. Returns the URL with its login.
pub(crate) async fn user_of(url: &str, name: &str, rights: &[&str]) -> String {
    let mut admin = Conn::from_url(url).await.unwrap();
    let create = format!("CREATE USER {name} IDENTIFIED BY 's3cret'");
    admin.query_drop(create).await.unwrap();
    for right in rights {
        admin.query_drop(format!("{right} {name}")).await.unwrap();
    }
    let (_, server) = url.rsplit_once('@').unwrap();
    format!("mysql://{name}:s3cret@{server}")
}

pub(crate) fn at(n: u64) -> StoreKey {
    cloakroom_testkit::conformance::store_key(n)
}

pub(crate) fn draft(data: &str) -> Draft {
    Draft::new(
        data.to_owned().into(),
        Meta::new(
            from_millis(1_764_000_000_001),
            from_millis(1_764_000_000_002),
            from_millis(1_764_003_600_003),
        ),
        SaveId::random().unwrap(),
    )
}

pub(crate) fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}
