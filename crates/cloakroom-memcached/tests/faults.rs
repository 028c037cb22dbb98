//! What every store promises about the faults of its server, asked of this one.

use cloakroom_memcached::MemcachedStore;
use cloakroom_testkit::servers::{Kind, Mortal};

cloakroom_testkit::faults!(
    memcached,
    Mortal::new(Kind::Memcached),
    async |url: &str, name: &str| { MemcachedStore::builder(url).prefix(name).open() }
);
