//! What every store promises, asked of this one: alone, and as two processes on one table.

use crate::support::{store, two_stores};

cloakroom_testkit::conformance!(mariadb, {
    let Some(store) = store().await else { return };
    store
});

cloakroom_testkit::conformance_shared!(two_on_one_table, {
    let Some(stores) = two_stores().await else {
        return;
    };
    stores
});
