//! Each kind of server without TLS answers a client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cloakroom_harness::servers::{Kind, Server};

use super::addresses;

#[test]
fn postgresql_accepts_the_user_cloakroom_without_a_password() {
    accepts_the_user_cloakroom_without_a_password(Kind::Postgres);
}

#[test]
fn pgbouncer_accepts_the_user_cloakroom_without_a_password() {
    accepts_the_user_cloakroom_without_a_password(Kind::Pgbouncer);
}

fn accepts_the_user_cloakroom_without_a_password(kind: Kind) {
    let Some(server) = start(kind) else {
        return;
    };
    let parameters = b"user\0cloakroom\0database\0cloakroom\0\0";
    let mut startup = Vec::new();
    startup.extend(u32::try_from(8 + parameters.len()).unwrap().to_be_bytes());
    // Version 3.0 of PostgreSQL's protocol.
    startup.extend(196_608_u32.to_be_bytes());
    startup.extend(parameters);

    let answer = ask::<9>(&addresses(server.url())[0], &startup);

    // The message `AuthenticationOk`.
    assert_eq!(answer, *b"R\0\0\0\x08\0\0\0\0");
}

#[test]
fn mariadb_accepts_root_without_a_password() {
    let Some(server) = start(Kind::Mariadb) else {
        return;
    };
    let mut stream = connect(&addresses(server.url())[0]);
    let greeting = packet(&mut stream);
    assert!(
        String::from_utf8_lossy(&greeting).contains("MariaDB"),
        "{greeting:?}"
    );

    // The login packet contains the client's capabilities, the largest packet size, the character
    // set 45 (utf8mb4), 23 reserved bytes, the user, an empty response to the server's challenge,
    // the database and the authentication plugin. The capabilities are CONNECT_WITH_DB,
    // PROTOCOL_41, SECURE_CONNECTION and PLUGIN_AUTH.
    let capabilities = 0x0008_8208_u32;
    let mut login = capabilities.to_le_bytes().to_vec();
    login.extend(0x0100_0000_u32.to_le_bytes());
    login.push(45);
    login.extend([0; 23]);
    login.extend(b"root\0\0cloakroom\0mysql_native_password\0");
    let mut header = u32::try_from(login.len()).unwrap().to_le_bytes();
    header[3] = 1;
    stream.write_all(&header).unwrap();
    stream.write_all(&login).unwrap();

    let answer = packet(&mut stream);
    assert_eq!(
        answer[0],
        0,
        "the login is refused: {}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn redis_and_valkey_answer_ping() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let Some(server) = start(kind) else { continue };

        let answer = ask::<7>(&addresses(server.url())[0], b"PING\r\n");

        assert_eq!(answer, *b"+PONG\r\n", "{kind:?}");
    }
}

#[test]
fn every_node_of_the_cluster_reports_all_slots_and_nodes() {
    let Some(server) = start(Kind::RedisCluster) else {
        return;
    };
    let addresses = addresses(server.url());
    assert_eq!(addresses.len(), 3);

    for address in &addresses {
        let answer = ask::<INFO_BYTES>(address, b"CLUSTER INFO\r\n");

        let info = String::from_utf8_lossy(&answer);
        assert!(info.contains("cluster_state:ok"), "{info}");
        assert!(info.contains("cluster_slots_ok:16384"), "{info}");
        assert!(info.contains("cluster_known_nodes:3"), "{info}");
    }
}

#[test]
fn every_sentinel_watches_one_primary() {
    let Some(server) = start(Kind::RedisSentinel) else {
        return;
    };
    let addresses = addresses(server.url());
    assert_eq!(addresses.len(), 3);

    for address in &addresses {
        let answer = ask::<INFO_BYTES>(address, b"INFO sentinel\r\n");

        let info = String::from_utf8_lossy(&answer);
        assert!(info.contains("sentinel_masters:1"), "{info}");
    }
}

#[test]
fn memcached_answers_version() {
    let Some(server) = start(Kind::Memcached) else {
        return;
    };

    let answer = ask::<8>(&addresses(server.url())[0], b"version\r\n");

    assert_eq!(answer, *b"VERSION ");
}

#[test]
fn debug_does_not_show_the_url() {
    let Some(server) = start(Kind::Memcached) else {
        return;
    };

    assert_eq!(format!("{server:?}"), "Server { .. }");
}

fn start(kind: Kind) -> Option<Server> {
    let server = kind.start();
    if server.is_none() {
        eprintln!("not run: {} is not installed", kind.name());
    }
    server
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `question` and returns the first `N` bytes of the answer.
fn ask<const N: usize>(address: &str, question: &[u8]) -> [u8; N] {
    let mut stream = connect(address);
    stream.write_all(question).unwrap();
    let mut answer = [0; N];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Reads a packet of MySQL's protocol and returns its content. Before the content, a packet has
/// three bytes with the content's length and one byte with a sequence number.
fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let size = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut text = vec![0; size.try_into().unwrap()];
    stream.read_exact(&mut text).unwrap();
    text
}

/// The number of bytes that the tests read of Redis's answers to `INFO` and `CLUSTER INFO`. The
/// compared fields are among these bytes.
const INFO_BYTES: usize = 200;

const PATIENCE: Duration = Duration::from_secs(30);
