//! What the tests of this folder share.
#![allow(dead_code, reason = "no test file needs all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, though clippy does not see it in helpers"
)]

use cloakroom::store::SaveId;
use std::future::{self, Future};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cloakroom::store::{Draft, Meta, Outcome, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_sqlite::DjangoTable;
use rusqlite::Connection;

/// A folder that goes away with the test, and the path of a file in it.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.sqlite");
    (folder, path)
}

/// A store on a table as Django makes it, which it makes if it is not there.
pub(crate) async fn django(path: &Path) -> DjangoTable {
    let store = DjangoTable::open(path).unwrap();
    store.migrate().await.unwrap();
    store
}

/// A connection of somebody else: the application, or an administrator.
pub(crate) fn neighbour(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

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

/// A call that has been made, and whose answer can be looked at or waited for.
pub(crate) type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// Makes a call, as far as it goes without waiting: to its place in the queue.
///
/// The store's thread may have answered by then, if nobody keeps the database locked.
pub(crate) fn begin<'a, T: 'a>(call: impl Future<Output = Result<T>> + 'a) -> Call<'a, T> {
    let mut call: Call<'a, T> = Box::pin(call);
    match answer(&mut call) {
        Some(answer) => Box::pin(future::ready(answer)),
        None => call,
    }
}

/// The answer of a call, if it is there.
pub(crate) fn answer<T>(call: &mut Call<'_, T>) -> Option<Result<T>> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
