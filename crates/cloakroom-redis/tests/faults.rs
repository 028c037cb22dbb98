//! Runs the fault suite of the test kit against `RedisStore` and `DjangoCache`.

use cloakroom_harness::servers::{KillableServer, Kind};
use cloakroom_redis::{DjangoCache, RedisStore};
use cloakroom_testkit::conformance::OnlyBytes;

cloakroom_testkit::faults!(
    redis,
    KillableServer::new(Kind::Redis),
    async |url: &str, name: &str| { RedisStore::builder(url).prefix(name).connect().await }
);

cloakroom_testkit::faults!(
    djangos_cache,
    KillableServer::new(Kind::Redis),
    async |url: &str, name: &str| {
        let cache = DjangoCache::builder(url).key_prefix(name).connect().await?;
        Ok(OnlyBytes::new(cache))
    }
);
