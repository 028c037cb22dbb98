//! This site has the same tables as LocalLibrary, the Django site that MDN's Django tutorial
//! builds. A database file that the Django site wrote works on this site, and a new database file
//! of this site has the same tables and rows.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use axum::http::StatusCode;
use common::Site;
use sqlx::{Row, SqlitePool};

#[tokio::test]
async fn a_database_file_of_django_opens_without_a_conversion() {
    let site = Site::of_django().await;
    let main = site.get("/catalog/").await.main();
    for count in ["Books: 92", "Copies: 250", "Authors: 40", "Genres: 24"] {
        assert!(main.contains(count), "{count} in {main}");
    }
    for path in [
        "/catalog/books/",
        "/catalog/book/92",
        "/catalog/author/1",
        "/catalog/bookinstances/?page=last",
    ] {
        assert_eq!(site.get(path).await.status, StatusCode::OK, "{path}");
    }
    let password = "SELECT COUNT(*) FROM auth_user WHERE password LIKE 'pbkdf2_sha256$%'";
    assert_eq!(site.number(password).await, 11);
}

#[tokio::test]
async fn a_new_database_file_has_the_same_tables_and_rows_as_one_of_django() {
    let (ours, django) = (Site::new().await, Site::of_django().await);
    let same = async |query: &'static str| {
        let ours = rows(ours.application.db(), query).await;
        assert_eq!(ours, rows(django.application.db(), query).await, "{query}");
        assert!(!ours.is_empty(), "{query}");
    };
    same(
        "SELECT type, name, tbl_name, sql FROM sqlite_master \
         WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .await;
    same("SELECT id, app, name FROM django_migrations ORDER BY id").await;
    same("SELECT id, app_label, model FROM django_content_type ORDER BY id").await;
    same("SELECT id, content_type_id, codename, name FROM auth_permission ORDER BY id").await;
    same("SELECT id, name FROM auth_group ORDER BY id").await;
    same("SELECT group_id, permission_id FROM auth_group_permissions ORDER BY 1, 2").await;
    same(
        "SELECT id, username, first_name, last_name, email, is_staff, is_superuser, is_active \
         FROM auth_user ORDER BY id",
    )
    .await;
    same("SELECT user_id, group_id FROM auth_user_groups ORDER BY id").await;
    same(
        "SELECT id, first_name, last_name, date_of_birth, date_of_death \
         FROM catalog_author ORDER BY id",
    )
    .await;
    same("SELECT id, name FROM catalog_genre ORDER BY id").await;
    same("SELECT id, name FROM catalog_language ORDER BY id").await;
    same("SELECT id, title, summary, isbn, author_id, language_id FROM catalog_book ORDER BY id")
        .await;
    same("SELECT book_id, genre_id FROM catalog_book_genre ORDER BY 1, 2").await;
    same("SELECT id, imprint, status, book_id, borrower_id FROM catalog_bookinstance ORDER BY id")
        .await;
}

#[tokio::test]
async fn the_users_of_a_new_database_file_have_different_passwords() {
    let site = Site::new().await;
    let hashed =
        "SELECT COUNT(DISTINCT password) FROM auth_user WHERE password LIKE 'pbkdf2_sha256$%'";
    assert_eq!(site.number(hashed).await, 11);
    // The message has two lines of text, and for each of the eleven users a line with the password.
    let message = site.application.startup_message();
    assert_eq!(message.lines().count(), 13, "{message}");
    assert!(message.contains("\n  librarian   "), "{message}");
}

#[tokio::test]
async fn due_dates_of_a_new_database_file_count_from_today() {
    let site = Site::new().await;
    // In the demo catalogue, the due date of this copy is three days after the file was created.
    let due = "SELECT due_back = date('now', '+3 days') FROM catalog_bookinstance \
               WHERE id = 'a2f73175924d4524ac9ae0b94e759058'";
    assert_eq!(site.number(due).await, 1);
}

/// Returns each row of a query as a text with the values of the row, separated by `|`.
async fn rows(db: &SqlitePool, query: &'static str) -> Vec<String> {
    let rows = sqlx::query(query).fetch_all(db).await.unwrap();
    let cell = |row: &sqlx::sqlite::SqliteRow, at| {
        let text = row.try_get_unchecked::<Option<String>, _>(at);
        text.unwrap().unwrap_or_else(|| "NULL".to_owned())
    };
    rows.iter()
        .map(|row| {
            (0..row.len())
                .map(|at| cell(row, at))
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect()
}
