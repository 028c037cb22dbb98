//! The rows of Django's system tables: migrations, content types and permissions. Django expects
//! these rows in every database, because its own migrations add them.

use sqlx::SqliteConnection;

use crate::date;

const INSERT_MIGRATION: &str =
    "INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)";

const INSERT_CONTENT_TYPE: &str =
    "INSERT INTO django_content_type (app_label, model) VALUES (?, ?) RETURNING id";

const INSERT_PERMISSION: &str =
    "INSERT INTO auth_permission (content_type_id, codename, name) VALUES (?, ?, ?)";

/// The actions for which every model has a permission.
const ACTIONS: [&str; 4] = ["add", "change", "delete", "view"];

/// The app and name of each model, and its label in the names of permissions.
#[rustfmt::skip]
const MODELS: [(&str, &str, &str); 11] = [
    ("admin", "logentry", "log entry"),
    ("auth", "permission", "permission"),
    ("auth", "group", "group"),
    ("auth", "user", "user"),
    ("contenttypes", "contenttype", "content type"),
    ("sessions", "session", "session"),
    ("catalog", "author", "author"),
    ("catalog", "book", "book"),
    ("catalog", "bookinstance", "book instance"),
    ("catalog", "genre", "genre"),
    ("catalog", "language", "language"),
];

/// The migrations that produce the schema, in the order in which Django applies them.
#[rustfmt::skip]
const MIGRATIONS: [(&str, &str); 45] = [
    ("contenttypes", "0001_initial"),
    ("auth", "0001_initial"),
    ("admin", "0001_initial"),
    ("admin", "0002_logentry_remove_auto_add"),
    ("admin", "0003_logentry_add_action_flag_choices"),
    ("contenttypes", "0002_remove_content_type_name"),
    ("auth", "0002_alter_permission_name_max_length"),
    ("auth", "0003_alter_user_email_max_length"),
    ("auth", "0004_alter_user_username_opts"),
    ("auth", "0005_alter_user_last_login_null"),
    ("auth", "0006_require_contenttypes_0002"),
    ("auth", "0007_alter_validators_add_error_messages"),
    ("auth", "0008_alter_user_username_max_length"),
    ("auth", "0009_alter_user_last_name_max_length"),
    ("auth", "0010_alter_group_name_max_length"),
    ("auth", "0011_update_proxy_permissions"),
    ("auth", "0012_alter_user_first_name_max_length"),
    ("catalog", "0001_initial"),
    ("catalog", "0002_auto_20160921_1401"),
    ("catalog", "0003_auto_20160921_1420"),
    ("catalog", "0004_auto_20160921_1422"),
    ("catalog", "0005_auto_20160921_1433"),
    ("catalog", "0006_auto_20160921_1439"),
    ("catalog", "0007_auto_20160921_1444"),
    ("catalog", "0008_auto_20160921_1511"),
    ("catalog", "0009_remove_bookinstance_summary"),
    ("catalog", "0010_auto_20160921_1527"),
    ("catalog", "0011_auto_20160922_1029"),
    ("catalog", "0012_bookinstance_date_acquired"),
    ("catalog", "0013_auto_20160926_1901"),
    ("catalog", "0014_remove_bookinstance_date_acquired"),
    ("catalog", "0015_auto_20160927_1808"),
    ("catalog", "0016_auto_20160927_1947"),
    ("catalog", "0017_language"),
    ("catalog", "0018_book_language"),
    ("catalog", "0019_bookinstance_borrower"),
    ("catalog", "0020_auto_20161012_1044"),
    ("catalog", "0021_auto_20171229_1056"),
    ("catalog", "0022_auto_20181028_1731"),
    ("catalog", "0023_auto_20201201_0238"),
    ("catalog", "0024_auto_20210302_0630"),
    ("catalog", "0025_auto_20220222_0623"),
    ("catalog", "0026_alter_book_author_alter_genre_name_and_more"),
    ("catalog", "0027_genre_genre_name_case_insensitive_unique_and_more"),
    ("sessions", "0001_initial"),
];

pub(super) async fn insert_rows(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let now = date::timestamp();
    for (app, name) in MIGRATIONS {
        let insert = sqlx::query(INSERT_MIGRATION)
            .bind(app)
            .bind(name)
            .bind(&now);
        insert.execute(&mut *connection).await?;
    }
    for (app, model, label) in MODELS {
        let insert = sqlx::query_scalar(INSERT_CONTENT_TYPE)
            .bind(app)
            .bind(model);
        let content_type: i64 = insert.fetch_one(&mut *connection).await?;
        for (codename, name) in permissions(model, label) {
            let insert = sqlx::query(INSERT_PERMISSION)
                .bind(content_type)
                .bind(codename)
                .bind(name);
            insert.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Returns the codename and name of each permission on `model`.
fn permissions(model: &str, label: &str) -> Vec<(String, String)> {
    let of_action = |action| (format!("{action}_{model}"), format!("Can {action} {label}"));
    let mut permissions: Vec<_> = ACTIONS.into_iter().map(of_action).collect();
    if model == "bookinstance" {
        permissions.push((
            "can_mark_returned".to_owned(),
            "Set book as returned".to_owned(),
        ));
    }
    permissions
}
