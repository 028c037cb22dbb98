use sqlx::SqlitePool;

const GENRES: &str = "SELECT id, name FROM catalog_genre ORDER BY name, id";

const LANGUAGES: &str = "SELECT id, name FROM catalog_language ORDER BY name, id";

/// Loads the ids and names of all genres, ordered by name.
pub(crate) async fn load_genres(db: &SqlitePool) -> Result<Vec<(i64, String)>, sqlx::Error> {
    sqlx::query_as(GENRES).fetch_all(db).await
}

/// Loads the ids and names of all languages, ordered by name.
pub(crate) async fn load_languages(db: &SqlitePool) -> Result<Vec<(i64, String)>, sqlx::Error> {
    sqlx::query_as(LANGUAGES).fetch_all(db).await
}
