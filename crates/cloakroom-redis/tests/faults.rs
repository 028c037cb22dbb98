//! What every store promises about the faults of its server, asked of this one.

use cloakroom_harness::servers::{Kind, Mortal};
use cloakroom_redis::RedisStore;

cloakroom_testkit::faults!(
    redis,
    Mortal::new(Kind::Redis),
    async |url: &str, name: &str| { RedisStore::builder(url).prefix(name).connect().await }
);
