//! Runs the suite of faults against `RedisStore`.

use cloakroom_harness::servers::{KillableServer, Kind};
use cloakroom_redis::RedisStore;

cloakroom_testkit::faults!(
    redis,
    KillableServer::new(Kind::Redis),
    async |url: &str, name: &str| { RedisStore::builder(url).prefix(name).connect().await }
);
