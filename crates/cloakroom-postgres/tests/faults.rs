//! The suite of server faults on a PostgreSQL that the tests kill and restart.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, though clippy does not see it in helpers"
)]

mod support;

use cloakroom_harness::servers::{KillableServer, Kind};
use support::on;

cloakroom_testkit::faults!(
    postgres,
    KillableServer::new(Kind::Postgres),
    async |url: &str, name: &str| {
        let store = on(url, name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);
