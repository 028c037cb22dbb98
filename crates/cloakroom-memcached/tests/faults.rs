//! What every store promises about the faults of its server, asked of this one.

use cloakroom_memcached::MemcachedStore;
use cloakroom_testkit::servers::Kind;

cloakroom_testkit::faults!(memcached, Kind::Memcached, async |url: &str, name: &str| {
    MemcachedStore::builder(url).prefix(name).open()
});
