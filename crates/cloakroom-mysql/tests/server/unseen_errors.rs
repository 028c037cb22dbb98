//! Tests the errors that were not seen on a real server: those of MySQL, and those that MariaDB's
//! documentation lists but MariaDB 10.11 never sent. A proxy sends each error as the packet that
//! MySQL's documentation describes.
//!
//! | code, not seen on a real server | sent by | test |
//! |---|---|---|
//! | 1021 | MySQL and MariaDB, if the disk is full. MariaDB 10.11 waits, sends 1114 or ends instead | `a_full_disk_not_seen_on_a_real_server` |
//! | 1053, 1152, 1158, 1159, 1160, 1161 | MySQL and MariaDB, at a shutdown or a network error. MariaDB 10.11 closes the connection without them | `errors_of_a_closed_connection_not_seen_on_a_real_server` |
//! | 1290 with `--super-read-only`, 1836 | MySQL, if it is read-only | `errors_of_a_read_only_mysql_not_seen_on_a_real_server` |
//! | 1862, 3118 | MySQL, at a login with an expired password or a locked account | `errors_of_a_login_to_mysql_not_seen_on_a_real_server` |
//! | a login with a plugin that the driver does not have | MySQL with `sha256_password` or LDAP | `a_login_plugin_of_mysql_not_seen_on_a_real_server` |
//! | 4031 | MySQL, if a connection was idle for longer than `wait_timeout` | `errors_of_a_closed_connection_not_seen_on_a_real_server` |

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_mysql::MysqlStore;
use cloakroom_testkit::unique_name;

use crate::answers::{Answer, Answers, LOGIN_ANSWER, To, err_packet, packet};
use crate::support::{at, draft, on, url, written};

#[tokio::test]
async fn errors_of_a_closed_connection_not_seen_on_a_real_server() {
    let Some(proxy) = proxy().await else { return };
    let store = store(&proxy).await;
    for (number, code, state, message) in [
        (1, 1053, "08S01", "Server shutdown in progress"),
        (
            1,
            1152,
            "08S01",
            "Aborted connection 7 to db: 'd' user: 'u' (x)",
        ),
        (
            1,
            1158,
            "08S01",
            "Got an error reading communication packets",
        ),
        (
            1,
            1159,
            "08S01",
            "Got timeout reading communication packets",
        ),
        (
            1,
            1160,
            "08S01",
            "Got an error writing communication packets",
        ),
        (
            1,
            1161,
            "08S01",
            "Got timeout writing communication packets",
        ),
        (1, 4031, "HY000", INACTIVE),
        // The server sends this error before the client sends its next statement, so the number may
        // be that of the first packet.
        (0, 4031, "HY000", INACTIVE),
    ] {
        let answer = |times| Answer {
            to: To::Statement,
            times,
            closes: true,
            packet: err_packet(number, code, state, message),
        };

        // A load is sent again on a new connection.
        proxy.set(answer(1));
        assert!(store.load(&at(1)).await.unwrap().is_none(), "{code}");
        assert_eq!(proxy.left(), 0, "{code}");

        // A write is not sent again, because it may have been executed.
        proxy.set(answer(2));
        let error = store.create(&at(1), &draft("")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{code}");
        assert_eq!(proxy.left(), 1, "{code}");
        let words = match number {
            1 => "the server closed the connection",
            _ => "the connection was lost",
        };
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn errors_of_a_read_only_mysql_not_seen_on_a_real_server() {
    let Some(proxy) = proxy().await else { return };
    let store = store(&proxy).await;
    let option = "The MySQL server is running with the --super-read-only option so it cannot \
                  execute this statement";
    for (n, code, message) in [(1, 1836, "Running in read-only mode"), (2, 1290, option)] {
        let answer = |times| Answer {
            to: To::Statement,
            times,
            closes: false,
            packet: err_packet(1, code, "HY000", message),
        };

        // A second read-only server ends the tries.
        proxy.set(answer(3));
        let error = store.create(&at(n), &draft("")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{code}");
        assert!(
            error.to_string().contains("the server is read-only"),
            "{error}"
        );
        assert_eq!(proxy.left(), 1, "{code}");

        // The second try reaches the primary.
        proxy.set(answer(1));
        written(store.create(&at(n), &draft("")).await);
    }
}

#[tokio::test]
async fn a_full_disk_not_seen_on_a_real_server() {
    let Some(proxy) = proxy().await else { return };
    let store = store(&proxy).await;
    proxy.set(Answer {
        to: To::Statement,
        times: 2,
        closes: false,
        packet: err_packet(
            1,
            1021,
            "HY000",
            "Disk full (t); waiting for someone to free some space...",
        ),
    });

    let error = store.create(&at(1), &draft("")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!(proxy.left(), 1);
}

#[tokio::test]
async fn errors_of_a_login_to_mysql_not_seen_on_a_real_server() {
    let Some(proxy) = proxy().await else { return };
    for (code, message, words) in [
        (
            1862,
            "Your password has expired. To log in you must change it using a client that supports \
             expired passwords.",
            "the user's password has expired",
        ),
        (
            3118,
            "Access denied for user 'u'@'h'. Account is locked.",
            "the server refuses the user",
        ),
    ] {
        proxy.set(Answer {
            to: To::Login,
            times: 2,
            closes: true,
            packet: err_packet(LOGIN_ANSWER, code, "HY000", message),
        });

        let error = MysqlStore::connect(proxy.url()).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Config, "{code}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(proxy.left(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_login_plugin_of_mysql_not_seen_on_a_real_server() {
    let Some(proxy) = proxy().await else { return };
    proxy.set(Answer {
        to: To::Login,
        times: 2,
        closes: false,
        packet: packet(LOGIN_ANSWER, b"\xfesha256_password\0twenty random bytes.\0"),
    });

    let error = MysqlStore::connect(proxy.url()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    let words = "the driver does not have the plugin with which the user logs in";
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(proxy.left(), 1);
}

#[tokio::test]
async fn an_answer_that_is_not_mysqls_is_an_error_that_does_not_show_the_answer() {
    let Some(proxy) = proxy().await else { return };
    proxy.set(Answer {
        to: To::Login,
        times: 2,
        closes: true,
        packet: packet(LOGIN_ANSWER, b"s3cret"),
    });

    let error = MysqlStore::connect(proxy.url()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("is not one of MySQL's"),
        "{error}"
    );
    assert!(!format!("{error:?}{error:#}").contains("s3cret"));
    assert_eq!(proxy.left(), 1);
}

async fn proxy() -> Option<Answers> {
    Some(Answers::to(url()?).await)
}

/// Returns a store on a new table, behind the proxy.
async fn store(proxy: &Answers) -> MysqlStore {
    let store = on(proxy.url(), &unique_name()).await;
    store.migrate().await.unwrap();
    store
}

const INACTIVE: &str = "The client was disconnected by the server because of inactivity. See \
                        wait_timeout and interactive_timeout for configuring this behavior.";
