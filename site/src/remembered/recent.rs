use cloakroom::Session;
use sqlx::SqlitePool;

use crate::{language_tag, visitor};

// Selects the books whose ids are in the JSON array, in the order of the array. Leaves out deleted
// books.
const BOOKS: &str = "\
    SELECT b.id, b.title, l.name FROM json_each(?) r \
    JOIN catalog_book b ON b.id = r.value \
    LEFT JOIN catalog_language l ON l.id = b.language_id ORDER BY r.key";

/// A book that the visitor has viewed.
pub(crate) struct RecentBook {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) lang: Option<&'static str>,
}

impl RecentBook {
    /// Loads the recently viewed books, most recently viewed first. Leaves out `this`, the book on
    /// whose page the list is shown.
    pub(crate) async fn load(
        db: &SqlitePool,
        session: Option<&Session>,
        this: Option<i64>,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let mut ids = session.map(visitor::recent_books).unwrap_or_default();
        ids.retain(|id| Some(*id) != this);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let books = sqlx::query_as::<_, (i64, String, Option<String>)>(BOOKS);
        let books = books.bind(format!("{ids:?}")).fetch_all(db).await?;
        let to_recent = |(id, title, language): (i64, String, Option<String>)| Self {
            id,
            title,
            lang: language_tag::of_language(language.as_deref()),
        };
        Ok(books.into_iter().map(to_recent).collect())
    }
}
