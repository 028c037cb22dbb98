//! Tests how many commands each call sends, as counted by the server.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use cloakroom::store::{Store, from_millis};
use cloakroom_harness::servers::{self, Kind};
use cloakroom_redis::DjangoCache;
use cloakroom_testkit::unique_name;
use support::{EXPIRES, Neighbour, at, command, draft, owned, unique_prefix, with_prefix, written};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_to_the_store_sends_as_many_commands_as_documented() {
    // A separate server: if another test flushed the scripts, there would be one more round trip.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let prefix = unique_prefix();
    let store = with_prefix(server.url(), &prefix).await;
    // These calls load the scripts into the server.
    let seen = written(store.create(&at(1), &owned("ada")).await);
    let seen = written(store.save(&at(1), &seen, &owned("grace")).await);
    written(store.touch(&at(1), &seen, &later(2)).await);
    let seen = written(store.rename(&at(1), &seen, &at(2), &draft(""), None).await);
    written(store.save(&at(2), &seen, &draft("")).await);
    store.delete(&at(2)).await.unwrap();

    let monitor = Monitor::of(server.url(), &prefix).await;

    let seen = written(store.create(&at(3), &draft("")).await);
    assert_eq!(monitor.commands().await, ["SET"], "create");
    store.load(&at(3)).await.unwrap();
    assert_eq!(monitor.commands().await, ["GET"], "load");
    let seen = written(store.save(&at(3), &seen, &draft("")).await);
    assert_eq!(monitor.commands().await, ["EVALSHA"], "save");
    written(store.touch(&at(3), &seen, &later(2)).await);
    assert_eq!(monitor.commands().await, ["EVALSHA"], "touch");
    store.delete(&at(3)).await.unwrap();
    assert_eq!(monitor.commands().await, ["EVALSHA"], "delete");

    let seen = written(store.create(&at(4), &owned("ada")).await);
    assert_eq!(
        monitor.commands().await,
        ["EVALSHA", "SET"],
        "create for an owner"
    );
    let mut sliding = owned("ada");
    sliding.meta.expires = from_millis(EXPIRES + 60 * 60 * 1_000);
    let seen = written(store.save(&at(4), &seen, &sliding).await);
    assert_eq!(monitor.commands().await, ["EVALSHA"], "save for an owner");
    written(store.touch(&at(4), &seen, &sliding.meta).await);
    assert_eq!(monitor.commands().await, ["EVALSHA"], "touch for an owner");
    written(store.touch(&at(4), &seen, &later(2)).await);
    assert_eq!(
        monitor.commands().await,
        ["EVALSHA"; 3],
        "touch for an owner, after an hour"
    );
    written(
        store
            .rename(&at(4), &seen, &at(5), &owned("ada"), None)
            .await,
    );
    let steps = ["EVALSHA", "SET", "EVALSHA", "EVALSHA", "ZREM"];
    assert_eq!(monitor.commands().await, steps, "rename for an owner");
    store.scan(None, 1_000).await.unwrap();
    assert_eq!(monitor.commands().await, ["SCAN", "GETRANGE"], "scan");
    store.delete(&at(5)).await.unwrap();
    assert_eq!(
        monitor.commands().await,
        ["EVALSHA", "ZREM"],
        "delete for an owner"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_to_djangos_cache_is_one_round_trip_except_a_rename() {
    // A separate server: if another test flushed the scripts, there would be one more round trip.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let prefix = unique_prefix();
    let builder = DjangoCache::builder(server.url()).key_prefix(&prefix);
    let cache = builder.connect().await.unwrap();
    // These calls load the scripts into the server.
    let seen = written(cache.create(&at(1), &draft("")).await);
    let seen = written(cache.save(&at(1), &seen, &draft("")).await);
    let seen = written(cache.touch(&at(1), &seen, &draft("").meta).await);
    written(cache.rename(&at(1), &seen, &at(2), &draft(""), None).await);

    let monitor = Monitor::of(server.url(), &prefix).await;

    let seen = written(cache.create(&at(3), &draft("")).await);
    assert_eq!(monitor.commands().await, ["SET"], "create");
    cache.load(&at(3)).await.unwrap();
    assert_eq!(monitor.commands().await, ["GET"], "load");
    let seen = written(cache.save(&at(3), &seen, &draft("")).await);
    assert_eq!(monitor.commands().await, ["EVALSHA"], "save");
    written(cache.touch(&at(3), &seen, &later(2)).await);
    assert_eq!(monitor.commands().await, ["EVALSHA"], "touch");
    written(cache.rename(&at(3), &seen, &at(4), &draft(""), None).await);
    assert_eq!(monitor.commands().await, ["SET", "EVALSHA"], "rename");
    cache.delete(&at(4)).await.unwrap();
    assert_eq!(monitor.commands().await, ["DEL"], "delete");
}

/// Returns the `Meta` of a session that expires this many hours after [`EXPIRES`].
fn later(hours: i64) -> cloakroom::store::Meta {
    let mut meta = draft("").meta;
    meta.expires = from_millis(EXPIRES + hours * 60 * 60 * 1_000);
    meta
}

/// A connection on which the server lists the commands that it receives.
struct Monitor {
    lines: std::sync::Mutex<BufReader<TcpStream>>,
    neighbour: Neighbour,
    prefix: String,
}

impl Monitor {
    async fn of(url: &str, prefix: &str) -> Self {
        let address = url.trim_start_matches("redis://");
        let address = address.split(['/', '?']).next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut ok = String::new();
        lines.read_line(&mut ok).unwrap();
        assert_eq!(ok, "+OK\r\n");
        Self {
            lines: lines.into(),
            neighbour: Neighbour::of(url).await,
            prefix: prefix.to_owned(),
        }
    }

    /// Returns the commands that the server received since this method was last called. Includes
    /// only commands on keys with the prefix.
    async fn commands(&self) -> Vec<String> {
        // The server lists this command after all commands that it received earlier.
        let end = unique_name();
        let echo = command(&[b"ECHO", end.as_bytes()]);
        self.neighbour.ask::<String>(&echo).await;
        let mut commands = Vec::new();
        let mut lines = self.lines.lock().unwrap();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if line.contains(&end) {
                return commands;
            }
            // The commands that a script runs are not round trips.
            if line.contains(&self.prefix) && !line.contains(" lua] ") {
                commands.push(line.split('"').nth(1).unwrap().to_owned());
            }
        }
    }
}
