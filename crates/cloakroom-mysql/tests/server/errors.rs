//! Provokes every error that the store handles on a real server, and checks how the store handles
//! it. The forms are those of MariaDB 10.11.
//!
//! | error | form | test |
//! |---|---|---|
//! | the server cannot be reached | I/O error | `connecting::the_error_of_an_unreachable_server_names_its_address_without_the_password` |
//! | the socket does not exist | I/O error `NotFound` | `a_missing_socket_is_an_error_with_advice` |
//! | the server has no TLS | `NoClientSslFlagFromServer` of the driver | `a_server_without_tls_is_an_error_with_advice` |
//! | the packet is no answer of MySQL | `UnexpectedPacket` of the driver | `unseen_errors::an_answer_that_is_not_mysqls_is_an_error_that_does_not_show_the_answer` |
//! | an answer or a statement is too large | I/O error `Other` of the driver | `an_entry_larger_than_a_lowered_limit_is_too_large` |
//! | a statement is too large for a proxy | 1153 (08S01) | `error::tests::a_packet_that_the_server_refuses_is_too_large` |
//! | KILL | I/O error `UnexpectedEof` or `ConnectionReset` | `faults::a_save_on_a_killed_connection_is_unavailable_and_the_next_save_succeeds` |
//! | SHUTDOWN | I/O error `UnexpectedEof` or `ConnectionReset`, then `ConnectionRefused` | `a_server_that_shuts_down_is_unavailable` |
//! | no answer in time | I/O error `TimedOut` of the pool | `pool::tests::a_statement_that_takes_too_long_is_an_error_with_advice` |
//! | a statement kills its own connection | 1927 (70100) | `a_save_that_kills_its_connection_is_unavailable` |
//! | access denied | 1044, 1045, 1275, 1698, 4151 | `refused_logins_are_errors_with_advice` |
//! | the password has expired | 1820 (HY000) | `refused_logins_are_errors_with_advice` |
//! | too many connections | 1040 (08004), 1226 (42000) | `refused_logins_are_errors_with_advice` |
//! | too many connections | 1203 (42000) | `errors_that_need_an_option_at_the_start` |
//! | the database does not exist | 1049 (42000) | `connecting::a_database_that_does_not_exist_is_a_config_error` |
//! | the table does not exist | 1146 (42S02) | `connecting::a_missing_table_is_an_error_with_advice` |
//! | other columns | 1054 (42S22), 1364 (HY000) | `a_table_with_other_columns_is_an_error_with_advice` |
//! | a right is missing | 1142, 1143 (42000) | `a_missing_right_is_an_error_with_advice` |
//! | the key exists | 1062 (23000) | the conformance suite |
//! | lock wait timeout, deadlock | 1205 (HY000), 1213 (40001) | `faults::a_save_of_a_locked_row_is_unavailable_but_loads_still_succeed`, `faults::a_statement_that_a_deadlock_has_rolled_back_is_tried_again` |
//! | `read_only` | 1290 (HY000), names `--read-only` in every language | `a_read_only_server_is_recognized_in_every_language`, `failover::a_save_that_a_read_only_server_refuses_is_sent_to_the_new_primary` |
//! | another option | 1290 (HY000), names the option | `an_option_other_than_read_only_is_not_taken_for_a_replica` |
//! | `tx_read_only` | 1792 (25006) | `a_read_only_server_is_recognized_in_every_language` |
//! | `innodb_read_only` | 1036 (HY000) | `errors_that_need_an_option_at_the_start` |
//! | the tablespace is full | 1114 (HY000) | `errors_that_need_an_option_at_the_start` |
//! | `binlog_format = STATEMENT` | 1665 (HY000) | `errors_that_need_an_option_at_the_start` |
//! | a Galera node refuses queries | 1047 (08S01), keeps the connection | `a_galera_node_that_refuses_queries_is_unavailable` |
//! | messages that quote keys or data | 1062, 1064, 1292, 1300, 1366, 1411, 1690 | `error::tests::errors_do_not_show_the_keys_and_data_that_the_server_quotes` |
//!
//! [`unseen_errors`](crate::unseen_errors) lists the errors that were not seen on a real server.

use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{Error, ErrorKind};
use cloakroom_harness::servers::{self, Kind, Server};
use cloakroom_mysql::MysqlStore;
use cloakroom_testkit::unique_name;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::own_server::OwnServer;
use crate::support::{at, create_user, draft, on, other_client, store, url, written};

#[tokio::test]
async fn an_entry_larger_than_a_lowered_limit_is_too_large() {
    let Some((server, mut admin, table)) = private_server_with_table().await else {
        return;
    };
    let store = on(server.url(), &table).await;
    let large = draft(&"x".repeat(2 << 20));
    let seen = written(store.create(&at(1), &large).await);
    written(store.create(&at(2), &draft("small")).await);

    admin
        .query_drop("SET GLOBAL max_allowed_packet = 1048576")
        .await
        .unwrap();
    kill_others(&mut admin).await;
    // This load is sent again on a new connection, which has the new limit.
    assert!(store.load(&at(2)).await.unwrap().is_some());
    let before = count_connections(&mut admin).await;
    let error = store.load(&at(1)).await.unwrap_err();
    assert_too_large(&error);
    assert_eq!(count_connections(&mut admin).await, before, "no other try");

    let error = store.save(&at(1), &seen, &large).await.unwrap_err();
    assert_too_large(&error);
    store.delete(&at(1)).await.unwrap();
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "small");
}

fn assert_too_large(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    let words = "the entry is larger than the server's max_allowed_packet";
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn an_option_other_than_read_only_is_not_taken_for_a_replica() {
    let Some((server, mut admin, table)) = private_server_with_table().await else {
        return;
    };
    let store = on(server.url(), &table).await;
    let seen = written(store.create(&at(1), &draft("old")).await);
    // The server does not allow the trigger's statement, because it started without this option.
    let trigger = format!(
        "CREATE TRIGGER {table} BEFORE UPDATE ON {table} FOR EACH ROW
            SET GLOBAL max_user_connections = 7"
    );
    admin.query_drop(trigger).await.unwrap();
    let before = count_connections(&mut admin).await;

    let error = store.save(&at(1), &seen, &draft("new")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let words = "an option of the server forbids the statement; the cause names the option";
    assert!(error.to_string().contains(words), "{error}");
    let cause = format!("{error:?}");
    assert!(cause.contains("--max-user-connections=0"), "{cause}");
    assert_eq!(count_connections(&mut admin).await, before, "no other try");
    assert!(store.load(&at(1)).await.unwrap().unwrap().version == seen);
}

#[tokio::test]
async fn a_read_only_server_is_recognized_in_every_language() {
    let Some((server, mut admin, table)) = private_server_with_table().await else {
        return;
    };
    // An administrator could write to a read-only server.
    let rights = ["GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom.* TO"];
    let user = create_user(server.url(), &unique_name(), &rights).await;
    for settings in [
        [
            "SET GLOBAL read_only = 1",
            "SET GLOBAL lc_messages = 'en_US'",
        ],
        [
            "SET GLOBAL read_only = 1",
            "SET GLOBAL lc_messages = 'de_DE'",
        ],
        [
            "SET GLOBAL read_only = 1",
            "SET GLOBAL lc_messages = 'ja_JP'",
        ],
        ["SET GLOBAL read_only = 0", "SET GLOBAL tx_read_only = 1"],
    ] {
        for setting in settings {
            admin.query_drop(setting).await.unwrap();
        }
        let store = on(&user, &table).await;
        let before = count_connections(&mut admin).await;

        let error = store.create(&at(1), &draft("")).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.to_string().contains("the server is read-only"),
            "{error}"
        );
        let tries = count_connections(&mut admin).await - before;
        assert_eq!(tries, 1, "{settings:?}: one more try, on a new connection");
    }
}

#[tokio::test]
async fn refused_logins_are_errors_with_advice() {
    let Some(server) = private_server() else {
        return;
    };
    let mut admin = Conn::from_url(server.url()).await.unwrap();
    for user in [
        "CREATE USER no_right IDENTIFIED BY 's3cret'",
        "CREATE USER locked IDENTIFIED BY 's3cret' ACCOUNT LOCK",
        "CREATE USER on_socket IDENTIFIED VIA unix_socket",
        "CREATE USER old IDENTIFIED VIA mysql_old_password USING '6bd5c5e05e0e4b5a'",
        "CREATE USER expired IDENTIFIED BY 's3cret' PASSWORD EXPIRE",
        "CREATE USER limited IDENTIFIED BY 's3cret' WITH MAX_USER_CONNECTIONS 1",
        "CREATE USER site IDENTIFIED BY 's3cret'",
        "GRANT ALL ON cloakroom.* TO expired",
        "GRANT ALL ON cloakroom.* TO limited",
        "GRANT ALL ON cloakroom.* TO site",
    ] {
        admin.query_drop(user).await.unwrap();
    }
    let login = |user: &str| server.url().replacen("root", &format!("{user}:s3cret"), 1);
    let _in_use = Conn::from_url(login("limited")).await.unwrap();

    let refuses = "the server refuses the user, the password or the database";
    for (user, cause, kind, words) in [
        ("no_right", "ERROR 1044 (42000)", ErrorKind::Config, refuses),
        ("unknown", "ERROR 1045 (28000)", ErrorKind::Config, refuses),
        ("old", "ERROR 1275 (HY000)", ErrorKind::Config, refuses),
        (
            "on_socket",
            "ERROR 1698 (28000)",
            ErrorKind::Config,
            refuses,
        ),
        ("locked", "ERROR 4151 (HY000)", ErrorKind::Config, refuses),
        (
            "expired",
            "ERROR 1820 (HY000)",
            ErrorKind::Config,
            "the user's password has expired",
        ),
        (
            "limited",
            "ERROR 1226 (42000)",
            ErrorKind::Unavailable,
            "the user has reached one of the limits in its account",
        ),
    ] {
        let error = MysqlStore::connect(&login(user)).await.unwrap_err();

        assert_error(&error, kind, cause, words);
        assert!(!format!("{error:?}{error:#}").contains("s3cret"));
    }

    admin
        .query_drop("SET GLOBAL max_connections = 10")
        .await
        .unwrap();
    let mut all = Vec::new();
    while let Ok(one) = Conn::from_url(login("site")).await {
        all.push(one);
    }
    let error = MysqlStore::connect(&login("site")).await.unwrap_err();
    let words = "the server has no connection left for this user";
    assert_error(&error, ErrorKind::Unavailable, "ERROR 1040 (08004)", words);
}

#[tokio::test]
async fn a_missing_socket_is_an_error_with_advice() {
    let url = "mysql://ada:s3cret@localhost/library?socket=/nonexistent/mysqld.sock";

    let error = MysqlStore::connect(url).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("the socket does not exist"),
        "{error}"
    );
    assert!(!format!("{error:?}{error:#}").contains("s3cret"));
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_with_advice() {
    let Some(server) = private_server() else {
        return;
    };

    let error = MysqlStore::connect(&format!("{}?sslmode=require", server.url()))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .contains("the server does not support TLS"),
        "{error}"
    );
}

#[tokio::test]
async fn a_table_with_other_columns_is_an_error_with_advice() {
    for (change, cause) in [
        ("DROP COLUMN label", "ERROR 1054 (42S22)"),
        ("ADD COLUMN note INT NOT NULL", "ERROR 1364 (HY000)"),
    ] {
        let (Some(store), Some(mut other_client)) = (store().await, other_client().await) else {
            return;
        };
        let table = store.schema().split('`').nth(1).unwrap().to_owned();
        let alter = format!("ALTER TABLE {table} {change}");
        other_client.query_drop(alter).await.unwrap();

        let error = store.create(&at(1), &draft("")).await.unwrap_err();

        let words = "the table does not have the expected columns";
        assert_error(&error, ErrorKind::Unavailable, cause, words);
    }
}

#[tokio::test]
async fn a_missing_right_is_an_error_with_advice() {
    let Some(url) = url() else { return };
    let table = unique_name();
    on(url, &table).await.migrate().await.unwrap();
    for (right, cause) in [
        ("INSERT", "ERROR 1142 (42000)"),
        ("SELECT (lookup)", "ERROR 1143 (42000)"),
    ] {
        let grant = format!("GRANT {right} ON cloakroom.{table} TO");
        let user = create_user(url, &unique_name(), &[&grant]).await;
        let store = on(&user, &table).await;

        let error = store.load(&at(1)).await.unwrap_err();

        assert_error(&error, ErrorKind::Config, cause, "the user lacks a right");
    }
}

#[tokio::test]
async fn a_save_that_kills_its_connection_is_unavailable() {
    let (Some(store), Some(mut other_client)) = (store().await, other_client().await) else {
        return;
    };
    let seen = written(store.create(&at(1), &draft("old")).await);
    let table = store.schema().split('`').nth(1).unwrap().to_owned();
    let trigger = format!(
        "CREATE TRIGGER {table} BEFORE UPDATE ON {table} FOR EACH ROW KILL CONNECTION_ID()"
    );
    other_client.query_drop(trigger).await.unwrap();

    let error = store.save(&at(1), &seen, &draft("new")).await.unwrap_err();

    let words = "the server closed the connection";
    assert_error(&error, ErrorKind::Unavailable, "ERROR 1927 (70100)", words);
    assert!(store.load(&at(1)).await.unwrap().unwrap().version == seen);
}

#[tokio::test]
async fn a_server_that_shuts_down_is_unavailable() {
    let Some(server) = private_server() else {
        return;
    };
    let store = on(server.url(), &unique_name()).await;
    store.migrate().await.unwrap();
    let mut admin = Conn::from_url(server.url()).await.unwrap();
    admin.query_drop("SHUTDOWN").await.unwrap();

    // The server may still execute some statements.
    for n in 0.. {
        if let Err(error) = store.create(&at(n), &draft("")).await {
            let words = "the connection was lost";
            assert_error(&error, ErrorKind::Unavailable, "", words);
            break;
        }
    }
    let error = store.load(&at(1)).await.unwrap_err();

    let words = "it cannot be reached";
    assert_error(&error, ErrorKind::Unavailable, "", words);
}

#[tokio::test]
async fn errors_that_need_an_option_at_the_start() {
    // All tables share a tablespace of limited size.
    let tablespace = [
        "--innodb-file-per-table=0",
        "--innodb-data-file-path=ibdata1:12M:autoextend:max:20M",
    ];
    let others = ["--max-user-connections=2", "--log-bin=binlog"];
    let Some(mut server) = OwnServer::start(&[tablespace, others].concat()).await else {
        return;
    };
    let rights = ["GRANT ALL ON cloakroom.* TO"];
    let user = create_user(&server.url(), "site", &rights).await;
    let store = on(&user, "s").await;
    store.migrate().await.unwrap();

    let mut saved = 0;
    let error = loop {
        let large = draft(&"x".repeat(300_000));
        match store.create(&at(saved), &large).await {
            Ok(_) => saved += 1,
            Err(error) => break error,
        }
    };
    assert!(saved > 0);
    let full = "the disk or the table is full";
    assert_error(&error, ErrorKind::Full, "ERROR 1114 (HY000)", full);
    for n in 0..saved {
        assert!(store.load(&at(n)).await.unwrap().is_some());
    }

    // The store has one of the two connections.
    let _in_use = Conn::from_url(&user).await.unwrap();
    let error = MysqlStore::connect(&user).await.unwrap_err();
    let words = "the server has no connection left for this user";
    assert_error(&error, ErrorKind::Unavailable, "ERROR 1203 (42000)", words);
    drop((store, _in_use));

    let mut admin = Conn::from_url(server.url()).await.unwrap();
    let statement = "SET GLOBAL binlog_format = STATEMENT";
    admin.query_drop(statement).await.unwrap();
    let store = on(&server.url(), "s").await;
    let error = store.delete(&at(0)).await.unwrap_err();
    let words = "the server's binlog_format is STATEMENT";
    assert_error(&error, ErrorKind::Config, "ERROR 1665 (HY000)", words);

    server
        .restart(&[&tablespace[..], &["--innodb-read-only"]].concat())
        .await;
    let mut admin = Conn::from_url(server.url()).await.unwrap();
    let store = on(&server.url(), "s").await;
    let before = count_connections(&mut admin).await;
    let error = store.delete(&at(0)).await.unwrap_err();
    let words = "the table is read-only";
    assert_error(&error, ErrorKind::Unavailable, "ERROR 1036 (HY000)", words);
    let tries = count_connections(&mut admin).await - before;
    assert_eq!(tries, 1, "one more try, on a new connection");
}

#[tokio::test]
async fn a_galera_node_that_refuses_queries_is_unavailable() {
    const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";
    if !std::path::Path::new(PROVIDER).exists() {
        eprintln!("not run: {PROVIDER} does not exist");
        return;
    }
    let listener = cloakroom_testkit::reusable_port().unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let Some(mut server) = OwnServer::start(&[]).await else {
        return;
    };
    let provider = format!("--wsrep-provider={PROVIDER}");
    let listen = format!("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port}");
    server
        .restart(&[
            "--wsrep-on=1",
            "--wsrep-cluster-address=gcomm://",
            "--wsrep-node-address=127.0.0.1",
            "--wsrep-new-cluster",
            "--wsrep-sst-method=none",
            "--binlog-format=ROW",
            &provider,
            &listen,
        ])
        .await;
    let mut admin = Conn::from_url(server.url()).await.unwrap();
    // The server accepts connections before it is a part of its cluster.
    while show_status(&mut admin, "wsrep_ready").await != "ON" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = on(&server.url(), "s").await;
    store.migrate().await.unwrap();
    let seen = written(store.create(&at(1), &draft("old")).await);
    let before = count_connections(&mut admin).await;
    let refuse = "SET GLOBAL wsrep_reject_queries = ALL";
    admin.query_drop(refuse).await.unwrap();

    let error = store.save(&at(1), &seen, &draft("new")).await.unwrap_err();

    let words = "the server refuses statements until it is a working part of its cluster";
    assert_error(&error, ErrorKind::Unavailable, "ERROR 1047 (08S01)", words);
    let accept = "SET GLOBAL wsrep_reject_queries = NONE";
    admin.query_drop(accept).await.unwrap();
    let tries = count_connections(&mut admin).await - before;
    assert_eq!(tries, 1, "one more try, on a new connection");
    written(store.save(&at(1), &seen, &draft("new")).await);
}

/// Checks an error and the beginning of its cause.
fn assert_error(error: &Error, kind: ErrorKind, cause: &str, words: &str) {
    use std::error::Error as _;

    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(words), "{error:?}");
    let source = error.source().unwrap().to_string();
    assert!(source.contains(cause), "{source}");
}

/// Starts a server for one test, which may change global settings.
fn private_server() -> Option<Server> {
    servers::mariadb()?;
    Kind::Mariadb.start()
}

/// Starts a server for one test. Returns it with a connection of an administrator, and with the
/// name of a table for sessions.
async fn private_server_with_table() -> Option<(Server, Conn, String)> {
    let server = private_server()?;
    let admin = Conn::from_url(server.url()).await.unwrap();
    let table = unique_name();
    on(server.url(), &table).await.migrate().await.unwrap();
    Some((server, admin, table))
}

/// Returns how many connections the server has accepted or refused since it started.
async fn count_connections(admin: &mut Conn) -> u64 {
    show_status(admin, "Connections").await.parse().unwrap()
}

async fn show_status(admin: &mut Conn, name: &str) -> String {
    let show = format!("SHOW GLOBAL STATUS LIKE '{name}'");
    let row: Option<(String, String)> = admin.query_first(show).await.unwrap();
    row.unwrap().1
}

/// Kills all connections except `admin`.
async fn kill_others(admin: &mut Conn) {
    let others = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'cloakroom'
        AND ID <> CONNECTION_ID()";
    let others: Vec<u64> = admin.query(others).await.unwrap();
    for id in others {
        admin
            .query_drop(format!("KILL CONNECTION {id}"))
            .await
            .unwrap();
    }
}
