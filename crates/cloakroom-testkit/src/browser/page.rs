use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::origin::Origin;

/// A response that was read to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The headers, including `Set-Cookie`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    pub(super) origin: Origin,
    pub(super) path: String,
    /// Whether the request had a safe method such as GET, so that a redirect may repeat it.
    pub(super) is_repeatable: bool,
}

impl Page {
    /// Returns the body as text.
    ///
    /// # Panics
    /// If the body is not UTF-8.
    ///
    /// # Examples
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes;
    /// # use cloakroom_testkit::Browser;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let browser = Browser::https(tower::service_fn(async |_: Request<Full<Bytes>>| {
    ///     Ok::<_, Infallible>(Response::new("3 visits".to_owned()))
    /// }));
    ///
    /// assert_eq!(browser.get("/").await.text(), "3 visits");
    /// # }
    /// ```
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body of a page is text")
    }

    /// Returns the value of the first header with this name, or `None` if the header is absent or
    /// its value is not visible ASCII.
    ///
    /// # Examples
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes;
    /// # use cloakroom_testkit::Browser;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let browser = Browser::https(tower::service_fn(async |_: Request<Full<Bytes>>| {
    ///     let response = Response::builder().header("vary", "cookie");
    ///     Ok::<_, Infallible>(response.body(String::new()).unwrap())
    /// }));
    ///
    /// let page = browser.get("/").await;
    /// assert_eq!(page.header("vary"), Some("cookie"));
    /// assert_eq!(page.header("set-cookie"), None);
    /// # }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the target of a redirect, resolved against this page.
    pub(super) fn target(&self) -> (Origin, String) {
        let status = self.status;
        assert!(
            status.is_redirection(),
            "cannot follow a page that is not a redirect: its status is {status}"
        );
        let location = self
            .header("location")
            .expect("a redirect has a Location header");
        let keeps_method = matches!(
            status,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        assert!(
            self.is_repeatable || !keeps_method,
            "cannot follow {status} to {location}: the request body would have to be sent again"
        );

        let location = location.split('#').next().unwrap_or_default();
        if let Some(end) = location.find("://").map(|at| at + "://".len()) {
            let path = location[end..]
                .find(['/', '?'])
                .map_or(location.len(), |at| end + at);
            let origin = Origin::parse(&location[..path]);
            return (origin, rooted(&location[path..]));
        }
        let here = self.path.split('?').next().unwrap_or_default();
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') | None => format!("{here}{location}"),
            Some(_) => {
                let folder = here.rfind('/').map_or("", |last| &here[..last]);
                format!("{folder}/{location}")
            }
        };
        (self.origin.clone(), path)
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_of_a_redirect_is_resolved_against_the_page_with_the_redirect() {
        for (location, origin, path) in [
            ("/catalog/", "https://library.example", "/catalog/"),
            ("../x", "https://library.example", "/accounts/../x"),
            ("profile", "https://library.example", "/accounts/profile"),
            (
                "?page=2#top",
                "https://library.example",
                "/accounts/login?page=2",
            ),
            ("http://other.example", "http://other.example", "/"),
            (
                "https://other.example:8443?q",
                "https://other.example:8443",
                "/?q",
            ),
        ] {
            let (to, target) = page(StatusCode::FOUND, location).target();
            assert_eq!((to.as_str(), target.as_str()), (origin, path), "{location}");
        }
    }

    #[test]
    #[should_panic(expected = "the request body would have to be sent again")]
    fn a_redirect_that_requires_repeating_a_post_cannot_be_followed() {
        page(StatusCode::TEMPORARY_REDIRECT, "/").target();
    }

    fn page(status: StatusCode, location: &str) -> Page {
        Page {
            status,
            headers: [(http::header::LOCATION, location.parse().unwrap())]
                .into_iter()
                .collect(),
            body: Bytes::new(),
            origin: Origin::parse("https://library.example"),
            path: "/accounts/login?next=/".to_owned(),
            is_repeatable: false,
        }
    }
}
