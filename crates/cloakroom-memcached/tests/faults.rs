//! What every store promises about the faults of its server, asked of this one.

use cloakroom_harness::servers::{Kind, Mortal};
use cloakroom_memcached::MemcachedStore;

cloakroom_testkit::faults!(
    memcached,
    Mortal::new(Kind::Memcached),
    async |url: &str, name: &str| { MemcachedStore::builder(url).prefix(name).open() }
);
