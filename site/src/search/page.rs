use askama::Template;
use axum::{extract::RawQuery, response::Html};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::{
    fold::{Piece, fold, mark},
    index,
};
use crate::{
    books::{BookCard, CardRow, load_genres, load_languages},
    web::{
        error::PageError,
        layout::Layout,
        paging::{Paging, RequestedPage},
        visit::Visit,
    },
};

/// The largest number of characters in a search text. The rest is ignored.
const MAX_CHARS: usize = 200;

const COUNT: &str =
    "SELECT COUNT(*) FROM locallibrary_search s JOIN catalog_book b ON b.id = s.book_id WHERE TRUE";

const PAGE: &str = "\
    SELECT b.id, b.title, a.last_name, a.first_name, l.name FROM locallibrary_search s \
    JOIN catalog_book b ON b.id = s.book_id \
    LEFT JOIN catalog_author a ON a.id = b.author_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id WHERE TRUE";

const ORDER: &str = " ORDER BY b.title, a.last_name, a.first_name, b.id LIMIT ";

/// The search text and filters.
#[derive(Debug, Default, PartialEq, Eq)]
struct SearchQuery {
    text: String,
    genre: Option<i64>,
    language: Option<i64>,
    is_available: bool,
}

#[derive(Template)]
#[template(path = "search/page.html")]
struct Results {
    layout: Layout,
    question: SearchQuery,
    /// `None` if the search text is empty.
    found: Option<Found>,
    genres: Vec<(i64, String)>,
    languages: Vec<(i64, String)>,
}

struct Found {
    paging: Paging,
    books: Vec<FoundBook>,
}

struct FoundBook {
    card: BookCard,
    title: Vec<Piece>,
    author: Vec<Piece>,
}

/// The page with the books that contain all words of the search.
pub(crate) async fn page(
    visit: Visit,
    layout: Layout,
    asked: RequestedPage,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, PageError> {
    let db = &visit.app().db;
    let question = SearchQuery::of(&query.unwrap_or_default());
    let found = match question.text.is_empty() {
        true => None,
        false => Some(find(db, &question, asked, layout.per_page()).await?),
    };
    let page = Results {
        layout: layout.searching(&question.text),
        found,
        question,
        genres: load_genres(db).await?,
        languages: load_languages(db).await?,
    };
    Ok(Html(page.render()?))
}

async fn find(
    db: &SqlitePool,
    question: &SearchQuery,
    asked: RequestedPage,
    per_page: u64,
) -> Result<Found, PageError> {
    let mut db = index::begin_search(db).await?;
    let words = question.words();
    let mut count = QueryBuilder::new(COUNT);
    question.narrow(&mut count, &words);
    let total = count.build_query_scalar().fetch_one(&mut *db).await?;
    let paging = Paging::new(asked, total, per_page)?.with_query(question.query_string());
    let mut page = QueryBuilder::new(PAGE);
    question.narrow(&mut page, &words);
    page.push(ORDER).push_bind(paging.limit());
    page.push(" OFFSET ").push_bind(paging.offset());
    let rows: Vec<CardRow> = page.build_query_as().fetch_all(&mut *db).await?;
    db.commit().await?;
    let to_found = |row| {
        let card = BookCard::from(row);
        FoundBook {
            title: mark(&card.title, &words),
            author: mark(&card.author, &words),
            card,
        }
    };
    Ok(Found {
        paging,
        books: rows.into_iter().map(to_found).collect(),
    })
}

impl SearchQuery {
    fn of(query: &str) -> Self {
        let mut question = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "q" => question.text = value.trim().chars().take(MAX_CHARS).collect(),
                "genre" => question.genre = value.parse().ok(),
                "language" => question.language = value.parse().ok(),
                "available" => question.is_available = value == "1",
                _ => {}
            }
        }
        // Truncation may leave white space at the end.
        question.text.truncate(question.text.trim_end().len());
        question
    }

    fn words(&self) -> Vec<String> {
        self.text.split_whitespace().map(fold).collect()
    }

    /// Returns the query string for links to other pages of the results.
    fn query_string(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", &self.text);
        if let Some(genre) = self.genre {
            query.append_pair("genre", &genre.to_string());
        }
        if let Some(language) = self.language {
            query.append_pair("language", &language.to_string());
        }
        if self.is_available {
            query.append_pair("available", "1");
        }
        query.finish()
    }

    /// Returns the query string of a search for the same text without filters.
    fn query_string_without_filters(&self) -> String {
        let text_only = Self {
            text: self.text.clone(),
            ..Self::default()
        };
        text_only.query_string()
    }

    /// Returns whether a filter is set.
    fn is_filtered(&self) -> bool {
        self.genre.is_some() || self.language.is_some() || self.is_available
    }

    /// Adds the conditions of the search to `statement`.
    fn narrow(&self, statement: &mut QueryBuilder<Sqlite>, words: &[String]) {
        for word in words {
            statement.push(" AND INSTR(s.folded, ");
            statement.push_bind(word.clone()).push(") > 0");
        }
        if let Some(genre) = self.genre {
            statement
                .push(" AND b.id IN (SELECT book_id FROM catalog_book_genre WHERE genre_id = ");
            statement.push_bind(genre).push(")");
        }
        if let Some(language) = self.language {
            statement.push(" AND b.language_id = ").push_bind(language);
        }
        if self.is_available {
            statement.push(
                " AND EXISTS (SELECT 1 FROM catalog_bookinstance c \
                 WHERE c.book_id = b.id AND c.status = 'a')",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_text_is_trimmed_and_truncated() {
        let text = |query: &str| SearchQuery::of(query).text;
        assert_eq!(text("q=+anna++"), "anna");
        assert_eq!(text(&format!("q={}", "é".repeat(300))).chars().count(), 200);
        assert_eq!(text("q=a&q=b"), "b");
        assert_eq!(text("q=%00%ff"), "\0\u{fffd}");
        assert_eq!(text(""), "");
    }

    #[test]
    fn the_links_to_other_pages_keep_the_search() {
        let query = "q=a+b%26c&genre=3&available=1";
        let question = SearchQuery::of(query);
        assert!(question.is_filtered());
        assert_eq!(question.query_string(), query);
        assert_eq!(SearchQuery::of(&question.query_string()), question);
    }
}
