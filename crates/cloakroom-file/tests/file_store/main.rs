//! Runs the conformance suite on `FileStore`, and tests its folder, its files and its behaviour
//! after crashes.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

mod cleaners;
mod django;
mod foreign;
mod locks;
mod moving;
mod opening;
mod paths;
mod processes;
mod replaced;
mod sweeping;

use std::sync::Arc;

use cloakroom_file::FileStore;
use cloakroom_testkit::conformance::Keep;
use support::opened;

cloakroom_testkit::conformance!(file, {
    let (folder, store) = opened();
    Keep::new(store, folder)
});

cloakroom_testkit::conformance_shared!(two_on_one_folder, {
    let (folder, store) = opened();
    let folder = Arc::new(folder);
    let other = FileStore::open(folder.path().join("sessions")).unwrap();
    (
        Keep::new(store, Arc::clone(&folder)),
        Keep::new(other, folder),
    )
});
