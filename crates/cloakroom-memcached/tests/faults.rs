//! Runs the fault suite of the test kit against `MemcachedStore`.

use cloakroom_harness::servers::{KillableServer, Kind};
use cloakroom_memcached::MemcachedStore;

cloakroom_testkit::faults!(
    memcached,
    KillableServer::new(Kind::Memcached),
    async |url: &str, name: &str| { MemcachedStore::builder(url).prefix(name).open() }
);
