//! Tests that the host name in a URL is resolved again for each connection.
//!
//! The host name is in a file that `libnss_wrapper` reads instead of `/etc/hosts`. The test starts
//! itself again in a child process, into which that library is loaded.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use std::{env, io};

use cloakroom::store::Store;
use cloakroom_harness::servers::{Kind, Replicas};
use cloakroom_testkit::unique_name;
use support::{ask_every_node, at, command, draft, unique_prefix, with_prefix, written};
use tokio::net::{TcpListener, TcpStream};

#[test]
fn the_store_follows_a_host_name_to_another_server() {
    if let Some(hosts) = env::var_os("NSS_WRAPPER_HOSTS") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(follow_host_name(&PathBuf::from(hosts)));
    }
    // If the library is not installed, the dynamic linker prints a warning.
    let preloaded = Command::new("true")
        .env("LD_PRELOAD", LIBRARY)
        .output()
        .unwrap();
    if !preloaded.stderr.is_empty() {
        let missing = "not run: needs libnss-wrapper (Debian); scripts/test installs it";
        assert!(
            env::var("CLOAKROOM_TEST_REQUIRE_SERVERS").as_deref() != Ok("1"),
            "{missing}"
        );
        return eprintln!("{missing}");
    }
    let hosts = env::temp_dir().join(format!("cloakroom-{}", unique_name()));

    let ran = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_store_follows_a_host_name_to_another_server"])
        .env("LD_PRELOAD", LIBRARY)
        .env("NSS_WRAPPER_HOSTS", &hosts)
        .output()
        .unwrap();
    let _ = fs::remove_file(hosts);

    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(
        ran.status.success() && out.contains("1 passed"),
        "{out}{err}"
    );
}

async fn follow_host_name(hosts: &Path) {
    let Some(servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    // Two addresses with the same port, as two machines would have.
    let old = forward(SocketAddr::from(([127, 0, 0, 2], 0)), &servers.primary())
        .await
        .unwrap();
    let new = SocketAddr::from(([127, 0, 0, 3], old.port()));
    let new = forward(new, &servers.replica()).await.unwrap();
    set_address(hosts, old);
    let url = format!("redis://{HOST_NAME}:{}", old.port());
    let store = with_prefix(&url, &unique_prefix()).await;
    let seen = written(store.create(&at(1), &draft("")).await);
    servers.wait_until_replicated();

    let promote = command(&[b"REPLICAOF", b"NO", b"ONE"]);
    ask_every_node(&servers.replica(), &promote).await;
    let replica = servers.replica();
    let port = replica.rsplit_once(':').unwrap().1;
    let demote = command(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()]);
    ask_every_node(&servers.primary(), &demote).await;
    set_address(hosts, new);

    written(store.save(&at(1), &seen, &draft("")).await);
}

/// Makes the host name resolve to this address.
fn set_address(hosts: &Path, address: SocketAddr) {
    fs::write(hosts, format!("{} {HOST_NAME}\n", address.ip())).unwrap();
    // The library reads the file again only if the file's modification time, in whole seconds, has
    // changed. So this function derives the modification time from the address.
    let seconds = address.ip().to_string().bytes().map(u64::from).sum();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options()
        .write(true)
        .open(hosts)
        .unwrap()
        .set_modified(changed)
        .unwrap();
}

/// Forwards connections from this address to the server at `url`. Returns the address with its
/// port, which the system chooses if `from` has port 0.
async fn forward(from: SocketAddr, url: &str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(from).await?;
    let from = listener.local_addr()?;
    let server = url.trim_start_matches("redis://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    Ok(from)
}

const LIBRARY: &str = "libnss_wrapper.so";

const HOST_NAME: &str = "sessions.test";
