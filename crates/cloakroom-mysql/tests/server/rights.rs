//! Tests that the rights in the documentation are enough, and that each of them is needed.

use std::time::SystemTime;

use cloakroom::ErrorKind;
use cloakroom::store::{Store, from_millis};
use cloakroom_mysql::{DjangoTable, MysqlStore};
use cloakroom_testkit::unique_name;
use mysql_async::prelude::Queryable;

use crate::support::{at, create_user, django_on, draft, on, other_client, url, written};

#[tokio::test]
async fn the_documented_rights_are_enough() {
    let Some(url) = url() else { return };
    let (table, name) = (unique_name(), unique_name());
    on(url, &table).await.migrate().await.unwrap();
    let user = create_user(url, &name, &[&grant(&documented_rights(), &table)]).await;

    use_store(&on(&user, &table).await).await;
    // A site may call `migrate` each time it starts.
    on(&user, &table).await.migrate().await.unwrap();
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_djangos_table() {
    let Some(url) = url() else { return };
    let (table, name) = (unique_name(), unique_name());
    django_on(url, &table).await.migrate().await.unwrap();
    let user = create_user(url, &name, &[&grant(&documented_rights(), &table)]).await;

    use_django(&django_on(&user, &table).await).await;
    django_on(&user, &table).await.migrate().await.unwrap();
}

#[tokio::test]
async fn a_user_with_the_documented_right_to_create_can_migrate() {
    let Some(url) = url() else { return };
    let (table, django, name) = (unique_name(), unique_name(), unique_name());
    let mut rights = documented_rights();
    // The rights on a table that does not exist can be granted only together with CREATE. So the
    // user without CREATE gets the other rights on all tables.
    let user_without_create = create_user(url, &unique_name(), &[&grant(&rights, "*")]).await;
    let store = on(&user_without_create, &table).await;
    let error = store.migrate().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("CREATE to migrate"), "{error}");

    rights.push("CREATE");
    let grants = [grant(&rights, &table), grant(&rights, &django)];
    let user = create_user(url, &name, &[&grants[0], &grants[1]]).await;

    let store = on(&user, &table).await;
    store.migrate().await.unwrap();
    use_store(&store).await;
    let store = django_on(&user, &django).await;
    store.migrate().await.unwrap();
    use_django(&store).await;
}

#[tokio::test]
async fn every_documented_right_is_needed() {
    let Some(url) = url() else { return };
    let table = unique_name();
    on(url, &table).await.migrate().await.unwrap();
    for left_out in documented_rights() {
        let mut rights = documented_rights();
        rights.retain(|right| *right != left_out);
        let user = create_user(url, &unique_name(), &[&grant(&rights, &table)]).await;
        let store = on(&user, &table).await;

        let used = tokio::spawn(async move { use_store(&store).await });

        assert!(used.await.is_err(), "all calls succeed without {left_out}");
        let clear = format!("DELETE FROM {table}");
        other_client()
            .await
            .unwrap()
            .query_drop(clear)
            .await
            .unwrap();
    }
}

/// Returns the rights on the table that the documentation lists.
fn documented_rights() -> Vec<&'static str> {
    let page = include_str!("../../src/lib.rs");
    let (_, list) = page.split_once("The user needs ").unwrap();
    let (list, migrating) = list.split_once(" on the table, and ").unwrap();
    assert!(migrating.starts_with("`CREATE` for"));
    list.split(", ")
        .flat_map(|some| some.split(" and "))
        .map(|right| right.trim_matches('`'))
        .collect()
}

/// Returns a `GRANT` statement without the name of the user.
fn grant(rights: &[&str], table: &str) -> String {
    format!("GRANT {} ON cloakroom.{table} TO", rights.join(", "))
}

/// Makes every call that a site makes.
async fn use_store(store: &MysqlStore) {
    let mut owned = draft("one");
    owned.meta.owner = Some("ada".into());
    let seen = written(store.create(&at(1), &owned).await);
    let seen = written(store.save(&at(1), &seen, &owned).await);
    written(store.touch(&at(1), &seen, &owned.meta).await);
    written(store.rename(&at(1), &seen, &at(2), &owned, None).await);
    assert!(store.load(&at(2)).await.unwrap().is_some());
    let found = store.owned_by(&"ada".into(), None, 10).await.unwrap();
    assert_eq!(found.entries.len(), 1);
    store.delete(&at(2)).await.unwrap();
    written(store.create(&at(3), &draft("three")).await);
    store.delete(&at(3)).await.unwrap();
    written(store.create(&at(4), &draft("four")).await);
    let later = from_millis(i64::MAX);
    assert_eq!(store.sweep(later, 10).await.unwrap(), 1);
    store.ping().await.unwrap();
}

/// Makes every call that a site makes, on Django's table.
async fn use_django(store: &DjangoTable) {
    let key = |n: u8| cloakroom::StoreKey::new(&[b'a' + n; 32]);
    let seen = written(store.create(&key(1), &draft("one")).await);
    let seen = written(store.save(&key(1), &seen, &draft("two")).await);
    written(store.touch(&key(1), &seen, &draft("").meta).await);
    written(
        store
            .rename(&key(1), &seen, &key(2), &draft("three"), None)
            .await,
    );
    assert!(store.load(&key(2)).await.unwrap().is_some());
    store.delete(&key(2)).await.unwrap();
    written(store.create(&key(3), &draft("four")).await);
    assert_eq!(store.sweep(SystemTime::now(), 10).await.unwrap(), 1);
    store.ping().await.unwrap();
}
