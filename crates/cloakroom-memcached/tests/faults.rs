//! What every store promises about the faults of its server, asked of this one.

use cloakroom_harness::servers::{KillableServer, Kind};
use cloakroom_memcached::MemcachedStore;

cloakroom_testkit::faults!(
    memcached,
    KillableServer::new(Kind::Memcached),
    async |url: &str, name: &str| { MemcachedStore::builder(url).prefix(name).open() }
);
