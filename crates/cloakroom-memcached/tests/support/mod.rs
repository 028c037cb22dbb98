//! Helpers that the tests of this folder share.
#![allow(dead_code, reason = "no test file uses all helpers")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

use cloakroom::store::SaveId;
use cloakroom::store::{Draft, Meta, Outcome, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_harness::servers::Server;
use cloakroom_memcached::MemcachedStore;

pub(crate) mod fake;
pub(crate) mod plain;

/// Opens a store on this server.
pub(crate) fn on(server: &Server, prefix: &str) -> MemcachedStore {
    let builder = MemcachedStore::builder(server.url()).prefix(prefix);
    builder.open().unwrap()
}

/// Returns the store key with number `n`.
pub(crate) fn at(n: u64) -> StoreKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    StoreKey::new(&bytes)
}

/// Returns a draft that expires in the year 2033.
pub(crate) fn draft(data: impl Into<String>) -> Draft {
    Draft::new(
        data.into().into(),
        Meta::new(
            from_millis(1_764_000_000_001),
            from_millis(1_764_000_000_002),
            from_millis(2_000_000_000_003),
        ),
        SaveId::random().unwrap(),
    )
}

/// Returns the version of the written entry. Panics if nothing was written.
pub(crate) fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}
