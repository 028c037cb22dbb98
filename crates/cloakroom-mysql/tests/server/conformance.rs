//! Runs the conformance suite against `MysqlStore` and `DjangoTable`: one store alone, and two
//! stores on one table, like those of two processes.

use cloakroom_testkit::conformance::OnlyText;

use crate::support::{django, store, two_stores};

cloakroom_testkit::conformance!(mariadb, {
    let Some(store) = store().await else { return };
    store
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_table, {
    let Some(stores) = two_stores().await else {
        return;
    };
    stores
});

cloakroom_testkit::conformance!(a_table_of_django, {
    let Some((one, _)) = django().await else {
        return;
    };
    OnlyText::new(one)
});

cloakroom_testkit::conformance_shared!(two_stores_on_one_table_of_django, {
    let Some((one, other)) = django().await else {
        return;
    };
    OnlyText::pair(one, other)
});
