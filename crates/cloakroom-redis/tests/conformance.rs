//! Runs the conformance suite against `RedisStore` and `DjangoCache`, on a single server, a
//! Cluster, Sentinels and Valkey, through one store and through two stores that share the sessions.
//!
//! If the server of a test is not installed, the test prints a message and passes. `scripts/test`
//! requires all servers.

mod support;

use cloakroom_harness::servers::{self, Server};
use cloakroom_redis::DjangoCache;
use cloakroom_testkit::conformance::OnlyBytes;
use support::{open, two, unique_prefix};

cloakroom_testkit::conformance!(
    redis,
    {
        let Some(server) = servers::redis() else {
            return;
        };
        open(server).await
    },
    swept_by_backend
);

cloakroom_testkit::conformance!(
    redis_cluster,
    {
        let Some(server) = servers::redis_cluster() else {
            return;
        };
        open(server).await
    },
    swept_by_backend
);

cloakroom_testkit::conformance!(
    redis_sentinel,
    {
        let Some(server) = servers::redis_sentinel() else {
            return;
        };
        open(server).await
    },
    swept_by_backend
);

cloakroom_testkit::conformance!(
    valkey,
    {
        let Some(server) = servers::valkey() else {
            return;
        };
        open(server).await
    },
    swept_by_backend
);

cloakroom_testkit::conformance_shared!(two_stores_on_one_redis, {
    let Some(server) = servers::redis() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_redis_cluster, {
    let Some(server) = servers::redis_cluster() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_redis_sentinel, {
    let Some(server) = servers::redis_sentinel() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_valkey, {
    let Some(server) = servers::valkey() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance!(
    djangos_cache_in_redis,
    {
        let Some(server) = servers::redis() else {
            return;
        };
        OnlyBytes::new(djangos_cache(server, &unique_prefix()).await)
    },
    swept_by_backend
);

cloakroom_testkit::conformance!(
    djangos_cache_in_redis_cluster,
    {
        let Some(server) = servers::redis_cluster() else {
            return;
        };
        OnlyBytes::new(djangos_cache(server, &unique_prefix()).await)
    },
    swept_by_backend
);

cloakroom_testkit::conformance!(
    djangos_cache_in_redis_sentinel,
    {
        let Some(server) = servers::redis_sentinel() else {
            return;
        };
        OnlyBytes::new(djangos_cache(server, &unique_prefix()).await)
    },
    swept_by_backend
);

cloakroom_testkit::conformance!(
    djangos_cache_in_valkey,
    {
        let Some(server) = servers::valkey() else {
            return;
        };
        OnlyBytes::new(djangos_cache(server, &unique_prefix()).await)
    },
    swept_by_backend
);

cloakroom_testkit::conformance_shared!(two_stores_on_djangos_cache_in_redis, {
    let Some(server) = servers::redis() else {
        return;
    };
    let prefix = unique_prefix();
    OnlyBytes::pair(
        djangos_cache(server, &prefix).await,
        djangos_cache(server, &prefix).await,
    )
});

cloakroom_testkit::conformance_shared!(two_stores_on_djangos_cache_in_redis_cluster, {
    let Some(server) = servers::redis_cluster() else {
        return;
    };
    let prefix = unique_prefix();
    OnlyBytes::pair(
        djangos_cache(server, &prefix).await,
        djangos_cache(server, &prefix).await,
    )
});

cloakroom_testkit::conformance_shared!(two_stores_on_djangos_cache_in_valkey, {
    let Some(server) = servers::valkey() else {
        return;
    };
    let prefix = unique_prefix();
    OnlyBytes::pair(
        djangos_cache(server, &prefix).await,
        djangos_cache(server, &prefix).await,
    )
});

#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
async fn djangos_cache(server: &Server, prefix: &str) -> DjangoCache {
    let builder = DjangoCache::builder(server.url()).key_prefix(prefix);
    builder.connect().await.unwrap()
}
