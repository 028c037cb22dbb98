//! Tests that an application can use sqlx for tables in the same file as Cloakroom's sessions.

use cloakroom::Sessions;
use cloakroom_sqlite::SqliteStore;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

#[tokio::test]
async fn sqlx_and_cloakroom_share_a_file_and_one_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sqlite");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE book (title TEXT)")
        .execute(&mut db)
        .await
        .unwrap();

    let sessions = Sessions::new(SqliteStore::open(&path).unwrap());
    let session = sessions.new_session();
    session.set("theme", "dark").unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();
    sqlx::query("INSERT INTO book VALUES ('Middlemarch')")
        .execute(&mut db)
        .await
        .unwrap();

    let session = sessions.open(&key).await.unwrap().unwrap();
    assert_eq!(
        session.get::<String>("theme").unwrap().as_deref(),
        Some("dark")
    );
    let (saved, linked): (i64, String) =
        sqlx::query_as("SELECT COUNT(*), sqlite_version() FROM cloakroom_session")
            .fetch_one(&mut db)
            .await
            .unwrap();
    assert_eq!(saved, 1);
    assert_eq!(linked, rusqlite::version());
    db.close().await.unwrap();
}
