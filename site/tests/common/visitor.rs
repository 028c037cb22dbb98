//! A visitor with a browser, who can log in and submit forms.

use axum::Router;
use cloakroom_django::auth::Passwords;
use cloakroom_testkit::{Browser, Page};
use form_urlencoded::Serializer;

use super::Site;

/// The password that [`Site::visitor`] sets for each user whom it logs in.
pub(crate) const PASSWORD: &str = "Quay-lantern-7";

#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) browser: Browser<Router>,
}

impl Site {
    /// Returns a visitor who is not logged in and has no cookies.
    pub(crate) fn stranger(&self) -> Visitor {
        let browser = Browser::http(self.application.router()).at("http://localhost:8000");
        Visitor { browser }
    }

    /// Returns a visitor who is logged in as this user.
    pub(crate) async fn visitor(&self, username: &str) -> Visitor {
        let password = "SELECT password FROM auth_user WHERE username = ?";
        let stored: String = sqlx::query_scalar(password)
            .bind(username)
            .fetch_one(self.application.db())
            .await
            .unwrap();
        // Set the password only once: a new hash would end the user's other sessions.
        if !Passwords::new()
            .iterations(1)
            .verify(PASSWORD, &stored)
            .is_right()
        {
            self.set_password(username, PASSWORD).await;
        }
        let visitor = self.stranger();
        let page = visitor.log_in(username, PASSWORD).await;
        assert_eq!(page.status, 302, "{}", page.text());
        visitor
    }

    pub(crate) async fn set_password(&self, username: &str, password: &str) {
        let encoded = Passwords::new().iterations(1).encode(password).unwrap();
        let update = sqlx::query("UPDATE auth_user SET password = ? WHERE username = ?");
        let update = update.bind(encoded).bind(username);
        update.execute(self.application.db()).await.unwrap();
    }

    pub(crate) async fn text(&self, query: &'static str) -> Option<String> {
        let row: Option<Option<String>> = sqlx::query_scalar(query)
            .fetch_optional(self.application.db())
            .await
            .unwrap();
        row.flatten()
    }
}

impl Visitor {
    pub(crate) async fn log_in(&self, username: &str, password: &str) -> Page {
        let fields = [("username", username), ("password", password)];
        self.send("/accounts/login/", &fields).await
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.browser.get(path).await
    }

    /// Submits a form with a valid CSRF token.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token().await;
        let mut body = Serializer::new(String::new());
        body.append_pair("csrfmiddlewaretoken", &token);
        body.extend_pairs(fields);
        self.browser.post(path, body.finish()).await
    }

    /// Returns a CSRF token from a page.
    pub(crate) async fn token(&self) -> String {
        let page = self.get("/accounts/login/").await;
        let start = "name=\"csrfmiddlewaretoken\" value=\"";
        let rest = page.text().split(start).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Returns the text of a page.
    pub(crate) async fn words(&self, path: &str) -> String {
        let page = self.get(path).await;
        super::text(page.text())
    }
}

/// Returns the text of `<main>`.
pub(crate) fn main(page: &Page) -> String {
    let text = page.text();
    let start = text.find("<main").unwrap();
    super::text(&text[start..text.find("</main>").unwrap()])
}

/// Returns the target of a redirect.
pub(crate) fn target(page: &Page) -> &str {
    assert_eq!(page.status, 302, "{}", main(page));
    page.header("location").unwrap()
}
