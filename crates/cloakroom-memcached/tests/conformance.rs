//! Runs the conformance suite against `MemcachedStore` and `DjangoCache`, through one store and
//! through two stores that share the sessions, and against `MemcachedStore` with several servers.

mod support;

use cloakroom_harness::servers::{self, Kind, Server};
use cloakroom_memcached::{DjangoCache, MemcachedStore};
use cloakroom_testkit::conformance::{Keep, OnlyBytes};
use cloakroom_testkit::unique_name;

cloakroom_testkit::conformance!(
    memcached,
    {
        let Some(server) = servers::memcached() else {
            return;
        };
        support::on(server, &unique_name())
    },
    swept_by_backend
);

cloakroom_testkit::conformance_shared!(two_stores_on_one_prefix, {
    let Some(server) = servers::memcached() else {
        return;
    };
    let prefix = unique_name();
    (support::on(server, &prefix), support::on(server, &prefix))
});

cloakroom_testkit::conformance!(
    three_servers,
    {
        let (Some(_), Some(one), Some(two), Some(three)) = (
            servers::memcached(),
            Kind::Memcached.start(),
            Kind::Memcached.start(),
            Kind::Memcached.start(),
        ) else {
            return;
        };
        let address = |server: &Server| server.url().replace("memcached://", "");
        let addresses = [address(&one), address(&two), address(&three)].join(",");
        let store = MemcachedStore::open(&format!("memcached://{addresses}")).unwrap();
        Keep::new(store, (one, two, three))
    },
    swept_by_backend
);

cloakroom_testkit::conformance!(
    djangos_cache,
    {
        let Some(server) = servers::memcached() else {
            return;
        };
        OnlyBytes::new(djangos_cache(server, &unique_name()))
    },
    swept_by_backend
);

cloakroom_testkit::conformance_shared!(two_stores_on_djangos_cache, {
    let Some(server) = servers::memcached() else {
        return;
    };
    let prefix = unique_name();
    OnlyBytes::pair(
        djangos_cache(server, &prefix),
        djangos_cache(server, &prefix),
    )
});

#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
fn djangos_cache(server: &Server, prefix: &str) -> DjangoCache {
    let builder = DjangoCache::builder(server.url()).key_prefix(prefix);
    builder.open().unwrap()
}
