//! What every store promises, asked of this one: alone, and opened twice on one file.

mod support;

use std::sync::Arc;

use cloakroom_sqlite::SqliteStore;
use cloakroom_testkit::conformance::Keep;
use support::folder;

cloakroom_testkit::conformance!(sqlite, {
    let (folder, path) = folder();
    Keep::new(SqliteStore::open(path).unwrap(), folder)
});

cloakroom_testkit::conformance_shared!(two_on_one_file, {
    let (folder, path) = folder();
    let folder = Arc::new(folder);
    let open = || Keep::new(SqliteStore::open(&path).unwrap(), Arc::clone(&folder));
    (open(), open())
});
