//! What every store promises, asked of this one: alone, opened twice on one prefix, and with several servers.

mod support;

use cloakroom_memcached::MemcachedStore;
use cloakroom_testkit::conformance::Keep;
use cloakroom_testkit::servers::{self, Kind, unique_name};

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

cloakroom_testkit::conformance_shared!(two_on_one_prefix, {
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
        let address = |server: &servers::Server| server.url().replace("memcached://", "");
        let addresses = [address(&one), address(&two), address(&three)].join(",");
        let store = MemcachedStore::open(&format!("memcached://{addresses}")).unwrap();
        Keep::new(store, (one, two, three))
    },
    swept_by_backend
);
