//! Connecting: what is refused, with which words, and what is never shown.

use std::net::TcpListener;

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_mysql::MysqlStore;

use crate::support::{at, store, url};

#[tokio::test]
async fn a_url_that_cannot_be_read_is_refused_without_showing_it() {
    for url in [
        "",
        "s3cret",
        "mysql://ada:s3cret@host",
        "postgres://ada:s3cret@host/db",
        "mysql://a:1/s3cret@h/db",
    ] {
        let error = MysqlStore::connect(url).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error
                .to_string()
                .contains("the URL is not `mysql://USER:PASSWORD@HOST:PORT/DATABASE`"),
            "{error}"
        );
        assert!(!format!("{error:?}{error:#}").contains("s3cret"));
    }
}

#[tokio::test]
async fn options_out_of_range_are_refused_before_anything_is_connected() {
    let builder = || MysqlStore::builder("mysql://nobody@127.0.0.1:1/nothing");

    let name = builder()
        .table("session`; DROP TABLE book")
        .connect()
        .await
        .unwrap_err();
    let connections = builder().connections(0).connect().await.unwrap_err();

    assert_eq!(
        (name.kind(), connections.kind()),
        (ErrorKind::Config, ErrorKind::Config)
    );
    assert!(name.to_string().contains("a letter or `_`"), "{name}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_without_the_password() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();

    let error = MysqlStore::connect(&format!("mysql://ada:s3cret@127.0.0.1:{port}/db"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let expected = format!("connecting to MySQL at 127.0.0.1:{port}: it cannot be reached");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(!format!("{error:?}{error:#}").contains("s3cret"));
}

#[tokio::test]
async fn a_login_that_is_refused_is_said_without_the_password() {
    let Some(url) = url() else { return };
    let server = url.rsplit_once('@').unwrap().1;

    let error = MysqlStore::connect(&format!("mysql://ada:s3cret@{server}"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("the server refuses the user"),
        "{error}"
    );
    assert!(!format!("{error:?}{error:#}").contains("s3cret"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_as_such() {
    let Some(url) = url() else { return };
    let (server, _) = url.rsplit_once('/').unwrap();

    let error = MysqlStore::connect(&format!("{server}/no_such_database"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("there is no such database"),
        "{error}"
    );
}

#[tokio::test]
async fn the_store_shows_where_it_is_and_no_password() {
    let Some(store) = store().await else { return };

    let shown = format!("{store:?}");

    assert!(shown.starts_with("MysqlStore { address: "), "{shown}");
    assert!(!shown.contains('@'), "{shown}");
}

#[tokio::test]
async fn a_store_without_its_table_says_what_to_call() {
    let Some(url) = url() else { return };
    let table = cloakroom_testkit::unique_name();
    let store = MysqlStore::builder(url)
        .table(table)
        .connect()
        .await
        .unwrap();

    let error = store.load(&at(1)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("the table is not there; call `migrate`"),
        "{error}"
    );
    assert!(store.ping().await.is_err());
}

#[tokio::test]
async fn one_connection_is_enough_for_many_callers() {
    let Some(url) = url() else { return };
    let table = cloakroom_testkit::unique_name();
    let store = MysqlStore::builder(url)
        .table(table)
        .connections(1)
        .connect()
        .await
        .unwrap();
    store.migrate().await.unwrap();

    let mut callers = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = store.clone();
        callers.spawn(async move { store.load(&at(n)).await });
    }

    for answer in callers.join_all().await {
        assert!(answer.unwrap().is_none());
    }
}
