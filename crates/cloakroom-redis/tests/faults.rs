//! What every store promises about the faults of its server, asked of this one.

use cloakroom_harness::servers::{KillableServer, Kind};
use cloakroom_redis::RedisStore;

cloakroom_testkit::faults!(
    redis,
    KillableServer::new(Kind::Redis),
    async |url: &str, name: &str| { RedisStore::builder(url).prefix(name).connect().await }
);
