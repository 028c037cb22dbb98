//! A separate site for every test, in a temporary folder with a new database. Requests go directly
//! to the router, without a network connection.

// Each test file uses only a part of this module. Helpers of tests may panic.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod program;
pub(crate) mod visitor;

use std::path::Path;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use clap::Parser;
use http_body_util::BodyExt;
use locallibrary::{Application, Config};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) struct Site {
    pub(crate) application: Application,
    // The folder of the database. It is deleted when the test is over.
    pub(crate) folder: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Site {
    /// Creates a site with the demo catalogue.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Creates a site with the demo catalogue and these flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), flags).await
    }

    /// Creates a site with a copy of a database file that Django wrote.
    pub(crate) async fn of_django() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/django-locallibrary.db");
        std::fs::copy(sample, folder.path().join("library.sqlite3")).unwrap();
        Self::in_folder(folder, &[]).await
    }

    /// Creates a site with an empty catalogue.
    pub(crate) async fn empty() -> Self {
        let site = Self::new().await;
        for delete in [
            "DELETE FROM catalog_bookinstance",
            "DELETE FROM catalog_book_genre",
            "DELETE FROM catalog_book",
            "DELETE FROM catalog_author",
            "DELETE FROM catalog_genre",
            "DELETE FROM catalog_language",
        ] {
            site.sql(delete).await;
        }
        site
    }

    async fn in_folder(folder: TempDir, flags: &[&str]) -> Self {
        let database = format!(
            "sqlite://{}",
            folder.path().join("library.sqlite3").display()
        );
        let settings = [
            "locallibrary",
            "--bind",
            "127.0.0.1:0",
            "--database-url",
            &database,
            // A password hash with one iteration is insecure, but fast.
            "--password-iterations",
            "1",
        ];
        let config = Config::parse_from(settings.iter().chain(flags));
        let application = Application::build(config).await.unwrap();
        Self {
            application,
            folder,
        }
    }

    pub(crate) async fn sql(&self, statement: &'static str) {
        sqlx::query(statement)
            .execute(self.application.db())
            .await
            .unwrap();
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(self.application.db())
            .await
            .unwrap()
    }

    /// Returns the number of stored sessions. Does not count tombstones, which mark the old keys of
    /// sessions that have moved. The `created_at` of a tombstone is the latest time that a store
    /// can keep.
    pub(crate) async fn stored_sessions(&self) -> i64 {
        let sessions = "SELECT COUNT(*) FROM cloakroom_session WHERE created_at < 253402300799999";
        self.number(sessions).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let host = request.headers_mut().entry(header::HOST);
        host.or_insert(HeaderValue::from_static("localhost"));
        let response = self.application.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the text of the first element `tag`.
    pub(crate) fn element(&self, tag: &str) -> String {
        let start = self
            .body
            .find(&format!("<{tag}"))
            .unwrap_or_else(|| panic!("no <{tag}> in {}", self.body));
        let rest = &self.body[start..];
        text(&rest[..rest.find(&format!("</{tag}>")).unwrap()])
    }

    /// Returns the text of `<main>`.
    pub(crate) fn main(&self) -> String {
        self.element("main")
    }

    /// Returns the texts of the list items in `<main>`, in order.
    pub(crate) fn items(&self) -> Vec<String> {
        let main = self
            .body
            .split("<main")
            .nth(1)
            .unwrap()
            .split("</main>")
            .next()
            .unwrap();
        main.split("<li")
            .skip(1)
            .map(|item| text(&format!("<li{}", item.split("</li>").next().unwrap())))
            .collect()
    }
}

/// Returns the text of a piece of HTML. Removes tags, decodes entities and collapses white space.
pub(crate) fn text(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        let (tag, words) = piece.split_once('>').unwrap_or(("", piece));
        // The tags of inline elements do not separate words. The tags of all other elements do.
        if !matches!(
            tag.trim_start_matches('/').split(' ').next(),
            Some("a" | "mark" | "span" | "strong")
        ) {
            text.push(' ');
        }
        text.push_str(words);
    }
    let text = text
        .replace("&#39;", "'")
        .replace("&#34;", "\"")
        .replace("&#60;", "<");
    let text = text.replace("&#62;", ">").replace("&#38;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
