//! Runs the conformance suite against `SqliteStore` and `DjangoTable`: one store alone, and two
//! stores on one file.

mod support;

use std::sync::Arc;

use cloakroom_sqlite::SqliteStore;
use cloakroom_testkit::conformance::{Keep, OnlyText};
use support::{django, folder};

cloakroom_testkit::conformance!(sqlite, {
    let (folder, path) = folder();
    Keep::new(SqliteStore::open(path).unwrap(), folder)
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_file, {
    let (folder, path) = folder();
    let folder = Arc::new(folder);
    let open = || Keep::new(SqliteStore::open(&path).unwrap(), Arc::clone(&folder));
    (open(), open())
});

cloakroom_testkit::conformance!(a_table_of_django, {
    let (folder, path) = folder();
    Keep::new(OnlyText::new(django(&path).await), folder)
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_table_of_django, {
    let (folder, path) = folder();
    let folder = Arc::new(folder);
    let (one, other) = OnlyText::pair(django(&path).await, django(&path).await);
    (
        Keep::new(one, Arc::clone(&folder)),
        Keep::new(other, folder),
    )
});
