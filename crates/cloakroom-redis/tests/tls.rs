//! Tests encrypted connections: which servers the stores accept, and the conformance and fault
//! suites over TLS.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use cloakroom_harness::servers::{self, KillableServer, Kind};
use cloakroom_redis::{DjangoCache, RedisStore};
use cloakroom_testkit::conformance::OnlyBytes;
use support::{open, two, unique_prefix};

cloakroom_harness::tls!(redis, Kind::RedisTls, Kind::Redis, async |url: &str| {
    RedisStore::connect(url).await
});

cloakroom_harness::tls!(
    a_scheme_with_tls,
    Kind::RedisTls,
    Kind::Redis,
    async |url: &str| {
        let url = match url.contains("sslmode=disable") {
            true => url.to_owned(),
            // `rediss` without `sslmode` means `verify-full`.
            false => url
                .replacen("redis:", "rediss:", 1)
                .replace("sslmode=verify-full&", ""),
        };
        RedisStore::connect(&url).await
    }
);

cloakroom_testkit::conformance!(
    over_tls,
    {
        let Some(server) = servers::redis_tls() else {
            return;
        };
        open(server).await
    },
    swept_by_backend
);

cloakroom_testkit::conformance_shared!(two_stores_over_tls, {
    let Some(server) = servers::redis_tls() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance!(
    djangos_cache_over_tls,
    {
        let Some(server) = servers::redis_tls() else {
            return;
        };
        let cache = DjangoCache::builder(server.url()).key_prefix(unique_prefix());
        OnlyBytes::new(cache.connect().await.unwrap())
    },
    swept_by_backend
);

cloakroom_testkit::faults!(
    faults_over_tls,
    KillableServer::new(Kind::RedisTls),
    async |url: &str, name: &str| { RedisStore::builder(url).prefix(name).connect().await }
);
