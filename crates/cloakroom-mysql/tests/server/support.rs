//! Helpers for the tests.

use cloakroom::store::SaveId;
use cloakroom::store::{Draft, Meta, Outcome, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_harness::servers::mariadb;
use cloakroom_mysql::{DjangoTable, MysqlStore};
use cloakroom_testkit::unique_name;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Returns the URL of the server, or `None` if no server is available.
pub(crate) fn url() -> Option<&'static str> {
    Some(mariadb()?.url())
}

/// Returns a store on a new table.
pub(crate) async fn store() -> Option<MysqlStore> {
    let (store, _) = two_stores().await?;
    Some(store)
}

/// Returns two stores on one new table, like those of two processes.
pub(crate) async fn two_stores() -> Option<(MysqlStore, MysqlStore)> {
    let table = unique_name();
    let one = on(url()?, &table).await;
    one.migrate().await.unwrap();
    Some((one, on(url()?, &table).await))
}

/// Returns two stores on one new table with Django's columns.
pub(crate) async fn django() -> Option<(DjangoTable, DjangoTable)> {
    let table = unique_name();
    let one = django_on(url()?, &table).await;
    one.migrate().await.unwrap();
    Some((one, django_on(url()?, &table).await))
}

/// Returns a store on this table, which has Django's columns.
pub(crate) async fn django_on(url: &str, table: &str) -> DjangoTable {
    DjangoTable::builder(url)
        .table(table)
        .connect()
        .await
        .unwrap()
}

/// Returns a store on this table.
pub(crate) async fn on(url: &str, table: &str) -> MysqlStore {
    MysqlStore::builder(url)
        .table(table)
        .connect()
        .await
        .unwrap()
}

/// Returns a connection that does not belong to the store, like one of the application or an
/// administrator.
pub(crate) async fn other_client() -> Option<Conn> {
    Some(Conn::from_url(url()?).await.unwrap())
}

/// Creates a database for one test. Returns the URL and the name of the database.
pub(crate) async fn new_database() -> Option<(String, String)> {
    let name = unique_name();
    other_client()
        .await?
        .query_drop(format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let (server, _) = url()?.rsplit_once('/').unwrap();
    Some((format!("{server}/{name}"), name))
}

/// Creates a user with these rights. Each right is a `GRANT` statement without the name of the
/// user. Returns a URL that logs in as this user.
pub(crate) async fn create_user(url: &str, name: &str, rights: &[&str]) -> String {
    let mut admin = Conn::from_url(url).await.unwrap();
    let create = format!("CREATE USER {name} IDENTIFIED BY 's3cret'");
    admin.query_drop(create).await.unwrap();
    for right in rights {
        admin.query_drop(format!("{right} {name}")).await.unwrap();
    }
    let (_, server) = url.rsplit_once('@').unwrap();
    format!("mysql://{name}:s3cret@{server}")
}

/// Returns a store key, a different one for each `n`.
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
