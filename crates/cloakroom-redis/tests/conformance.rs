//! What every store promises, asked of this one: on one node, on a Cluster and on Valkey, alone and opened twice.
//!
//! Without its server a test says so and passes; `scripts/test` requires all of them.

mod support;

use cloakroom_testkit::servers;
use support::{open, two};

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
    valkey,
    {
        let Some(server) = servers::valkey() else {
            return;
        };
        open(server).await
    },
    swept_by_backend
);

cloakroom_testkit::conformance_shared!(two_on_one_redis, {
    let Some(server) = servers::redis() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance_shared!(two_on_one_redis_cluster, {
    let Some(server) = servers::redis_cluster() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance_shared!(two_on_one_valkey, {
    let Some(server) = servers::valkey() else {
        return;
    };
    two(server).await
});
