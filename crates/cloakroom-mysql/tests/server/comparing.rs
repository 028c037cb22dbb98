//! Tests comparisons and limits for which MySQL's defaults differ from what stores guarantee.

use cloakroom::store::{Outcome, Store};
use cloakroom::{ErrorKind, StoreKey};
use mysql_async::prelude::Queryable;

use crate::support::{at, draft, other_client, store, written};

#[tokio::test]
async fn store_keys_and_owners_are_compared_byte_by_byte() {
    let Some(store) = store().await else { return };
    let alike = ["ada", "Ada", "ada ", "ada\0", "ädä", "adä"];
    for name in alike {
        let mut new = draft(name);
        new.meta.owner = Some(name.into());
        written(store.create(&StoreKey::new(name.as_bytes()), &new).await);
    }

    for name in alike {
        let entry = store
            .load(&StoreKey::new(name.as_bytes()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(entry.data, name);
        let owned = store
            .owned_by(&name.into(), None, usize::MAX)
            .await
            .unwrap()
            .entries;
        assert_eq!(owned.len(), 1, "{name:?}");
        assert_eq!(owned[0].key, StoreKey::new(name.as_bytes()));
    }
    store.delete(&StoreKey::new(b"ADA")).await.unwrap();
    assert!(store.load(&StoreKey::new(b"ada")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_save_of_unchanged_data_is_not_stale() {
    let Some(store) = store().await else { return };
    let same = draft("same");
    let seen = written(store.create(&at(1), &same).await);

    assert_eq!(written(store.save(&at(1), &seen, &same).await), seen);
    assert_eq!(written(store.touch(&at(1), &seen, &same.meta).await), seen);
    let moved = store
        .rename(&at(1), &seen, &at(1), &same, None)
        .await
        .unwrap();
    assert_eq!(moved, Outcome::Stale, "an entry cannot move to its own key");
}

#[tokio::test]
async fn a_move_to_a_key_that_exists_is_stale_and_changes_nothing() {
    let Some(store) = store().await else { return };
    let (ours, theirs) = (draft("ours"), draft("theirs"));
    let seen = written(store.create(&at(1), &ours).await);
    written(store.create(&at(2), &theirs).await);

    let outcome = store
        .rename(&at(1), &seen, &at(2), &draft("moved"), None)
        .await
        .unwrap();

    assert_eq!(outcome, Outcome::Stale);
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "ours");
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "theirs");
}

#[tokio::test]
async fn data_can_be_as_large_as_the_guarantees_promise_and_no_larger() {
    let Some(store) = store().await else { return };
    let max_size = store.guarantees().max_size.unwrap();
    assert!(
        max_size > 1 << 20,
        "this test needs a server whose max_allowed_packet is larger than 1 MiB"
    );
    let mut largest = draft("");
    largest.data = vec![0xff; max_size].into();
    largest.meta.owner = Some("o".repeat(255).into());
    largest.meta.label = Some("😀".repeat(1_000).into());
    let mut larger = draft("");
    larger.data = vec![0; max_size + 1].into();

    let seen = written(store.create(&StoreKey::new(&[b'x'; 255]), &largest).await);

    let entry = store
        .load(&StoreKey::new(&[b'x'; 255]))
        .await
        .unwrap()
        .unwrap();
    assert!(entry.data == largest.data && entry.meta == largest.meta);
    let to = StoreKey::new(&[b'y'; 255]);
    written(
        store
            .rename(&StoreKey::new(&[b'x'; 255]), &seen, &to, &largest, None)
            .await,
    );
    let error = store.save(&to, &seen, &larger).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("max_allowed_packet"), "{error}");
    assert!(store.load(&to).await.unwrap().unwrap().data == largest.data);
}

#[tokio::test]
async fn a_store_key_that_is_too_long_is_not_truncated_and_finds_nothing() {
    let Some(store) = store().await else { return };
    let (long, truncated) = (StoreKey::new(&[b'x'; 256]), StoreKey::new(&[b'x'; 255]));

    let error = store.create(&long, &draft("")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    written(store.create(&truncated, &draft("")).await);

    assert!(store.load(&long).await.unwrap().is_none());
    store.delete(&long).await.unwrap();
    assert!(store.load(&truncated).await.unwrap().is_some());
}

#[tokio::test]
async fn a_row_that_another_program_has_changed_is_corrupt() {
    let (Some(store), Some(mut other_client)) = (store().await, other_client().await) else {
        return;
    };
    written(store.create(&at(1), &draft("")).await);
    let table = table_of(&store);
    other_client
        .query_drop(format!("UPDATE {table} SET owner = X'FF'"))
        .await
        .unwrap();

    let error = store.load(&at(1)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

fn table_of(store: &cloakroom_mysql::MysqlStore) -> String {
    let schema = store.schema();
    schema.split('`').nth(1).unwrap().to_owned()
}
