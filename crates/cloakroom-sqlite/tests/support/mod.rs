//! Helpers for the tests in this folder.
#![allow(dead_code, reason = "each test file uses only some of the helpers")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

use std::future::{self, Future};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cloakroom::store::{Draft, Meta, Outcome, SaveId, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_sqlite::DjangoTable;
use rusqlite::Connection;

/// Returns a folder that is deleted on drop, and the path of a file in it.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.sqlite");
    (folder, path)
}

/// Opens a store on Django's table, and creates the table if it is missing.
pub(crate) async fn django(path: &Path) -> DjangoTable {
    let store = DjangoTable::open(path).unwrap();
    store.migrate().await.unwrap();
    store
}

/// Opens a connection that does not belong to the store, like one of the application or an
/// administrator.
pub(crate) fn other_connection(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// Returns a store key, a different one for each `n`.
pub(crate) fn at(n: u64) -> StoreKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    StoreKey::new(&bytes)
}

pub(crate) fn draft(data: &str) -> Draft {
    Draft::new(
        data.to_owned().into(),
        Meta::new(
            from_millis(1_764_000_000_001),
            from_millis(1_764_000_000_002),
            from_millis(1_764_003_600_003),
        ),
        SaveId::random().unwrap(),
    )
}

pub(crate) fn labelled(label: &str) -> Draft {
    let mut draft = draft("");
    draft.meta.label = Some(label.into());
    draft
}

pub(crate) fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}

/// A started call, whose result can be polled or awaited.
pub(crate) type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// Polls a call once, which puts the call into the queue of the store, and returns the call.
///
/// If the database is not locked, the store may have answered already. The returned call then
/// contains the answer.
pub(crate) fn begin<'a, T: 'a>(call: impl Future<Output = Result<T>> + 'a) -> Call<'a, T> {
    let mut call: Call<'a, T> = Box::pin(call);
    match answer(&mut call) {
        Some(answer) => Box::pin(future::ready(answer)),
        None => call,
    }
}

/// Polls a call once and returns its result if it is ready.
pub(crate) fn answer<T>(call: &mut Call<'_, T>) -> Option<Result<T>> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
