//! Runs the suite of server faults against a PostgreSQL server that the tests kill and restart. The
//! stores connect directly, directly with named statements, and through a pooler in transaction
//! mode.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use cloakroom_harness::servers::{KillableServer, Kind};
use support::{on, with_option};

cloakroom_testkit::faults!(
    postgres,
    KillableServer::new(Kind::Postgres),
    async |url: &str, name: &str| {
        let store = on(url, name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);

cloakroom_testkit::faults!(
    named_statements,
    KillableServer::new(Kind::Postgres),
    async |url: &str, name: &str| {
        let url = with_option(url, "statements=named");
        let store = on(&url, name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);

cloakroom_testkit::faults!(
    through_a_pooler,
    KillableServer::new(Kind::Pgbouncer),
    async |url: &str, name: &str| {
        let store = on(url, name).connect().await?;
        store.migrate().await?;
        Ok(store)
    }
);
