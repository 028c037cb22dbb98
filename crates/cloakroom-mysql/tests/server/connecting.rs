//! Tests the errors that a failed attempt to connect and a missing table cause, and that none of
//! them shows the password. Also tests that concurrent calls can share a connection.

use std::net::TcpListener;

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_mysql::MysqlStore;

use crate::support::{at, store, url};

#[tokio::test]
async fn the_error_for_a_url_that_cannot_be_parsed_does_not_quote_the_url() {
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
async fn options_out_of_range_are_refused_before_connecting() {
    let builder = || MysqlStore::builder("mysql://ada@127.0.0.1:1/nothing");

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
async fn the_error_of_an_unreachable_server_names_its_address_without_the_password() {
    // The listener is dropped at once, so no server listens on this port.
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
async fn the_error_of_a_refused_login_does_not_show_the_password() {
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
async fn a_database_that_does_not_exist_is_a_config_error() {
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
async fn debug_output_of_a_store_names_the_address_without_the_password() {
    let Some(store) = store().await else { return };

    let shown = format!("{store:?}");

    assert!(shown.starts_with("MysqlStore { address: "), "{shown}");
    assert!(!shown.contains('@'), "{shown}");
}

#[tokio::test]
async fn a_missing_table_is_an_error_with_advice() {
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
async fn many_concurrent_calls_can_share_one_connection() {
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
