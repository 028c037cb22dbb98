//! Tests a failover: the server becomes read-only, and later its host name leads to another server.

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_harness::servers::{self, Kind};
use cloakroom_testkit::{Proxy, unique_name};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::support::{at, create_user, django_on, draft, on, written};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_that_a_read_only_server_refuses_is_sent_to_the_new_primary() {
    if servers::mariadb().is_none() {
        return;
    }
    let (old, new) = (
        Kind::Mariadb.start().unwrap(),
        Kind::Mariadb.start().unwrap(),
    );
    let (table, django, name) = (unique_name(), unique_name(), unique_name());
    let (entry, row) = (draft("old"), draft("old"));
    let mut seen = None;
    // Both servers have the same entries, like a primary and its replica.
    for server in [&old, &new] {
        let store = on(server.url(), &table).await;
        store.migrate().await.unwrap();
        let django_store = django_on(server.url(), &django).await;
        django_store.migrate().await.unwrap();
        seen = Some((
            written(store.create(&at(1), &entry).await),
            written(django_store.create(&key(), &row).await),
        ));
    }
    let (seen, seen_in_django) = seen.unwrap();
    // The stores log in as a normal user, because an administrator could write to a read-only
    // server.
    let rights = ["GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom.* TO"];
    create_user(new.url(), &name, &rights).await;
    let proxy = Proxy::to(&create_user(old.url(), &name, &rights).await);
    let store = on(proxy.url(), &table).await;
    let django_store = django_on(proxy.url(), &django).await;
    // Both stores now have a connection to the old server.
    assert!(store.load(&at(1)).await.unwrap().is_some());
    assert!(django_store.load(&key()).await.unwrap().is_some());

    let mut admin = Conn::from_url(old.url()).await.unwrap();
    admin.query_drop("SET GLOBAL read_only = 1").await.unwrap();
    let error = store.save(&at(1), &seen, &draft("new")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("the server is read-only"),
        "{error}"
    );
    assert!(store.load(&at(1)).await.unwrap().unwrap().version == seen);

    proxy.lead_to(new.url());
    written(store.save(&at(1), &seen, &draft("new")).await);
    written(
        django_store
            .save(&key(), &seen_in_django, &draft("new"))
            .await,
    );

    let observer = on(new.url(), &table).await;
    assert_eq!(observer.load(&at(1)).await.unwrap().unwrap().data, "new");
}

/// Returns a session key in Django's format.
fn key() -> cloakroom::StoreKey {
    cloakroom::StoreKey::new(b"0f3k8w1v5n2q7x4c9z6b0m3j8h5g2d1s")
}
