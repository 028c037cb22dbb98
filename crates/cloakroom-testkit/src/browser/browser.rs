use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cloakroom::Clock;
use http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, SET_COOKIE};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use crate::HandClock;

use super::jar::Jar;
use super::origin::Origin;
use super::{Cookie, Page};

/// A small browser for tests: it asks a service, keeps its cookies and sends them back.
///
/// It keeps cookies by the rules of RFC 6265bis and as strictly as the strictest browser. What a real browser would
/// drop is dropped, with the reason in [`dropped`](Self::dropped): a `__Host-` cookie without `Secure`, a `Secure` one
/// from plain HTTP (on `localhost` too), one of more than 4096 bytes. It sends requests as a page of its own origin
/// does, so `SameSite` is read but never keeps a cookie back. Scripts and the list of public suffixes it does not
/// know; a `Domain` without a dot is all it takes for one.
///
/// A clone is another tab: it shares the jar, and both can wait for an answer at once.
///
/// The service is asked directly, without a network. It takes requests with a [`Full`] body, as an axum `Router` and
/// everything that is generic over the body does; any other is wrapped with tower's `map_request`.
///
/// # Examples
/// ```
/// use std::convert::Infallible;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use bytes::Bytes;
/// use cloakroom_testkit::Browser;
///
/// async fn visit(request: Request<Full<Bytes>>) -> Result<Response<String>, Infallible> {
///     let cookie = request.headers().get("cookie").map_or("none", |cookie| cookie.to_str().unwrap());
///     let answer = Response::builder().header("set-cookie", "__Host-visits=1; Secure; Path=/");
///     Ok(answer.body(format!("cookie: {cookie}")).unwrap())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let browser = Browser::https(tower::service_fn(visit));
///
/// assert_eq!(browser.get("/").await.text(), "cookie: none");
/// assert_eq!(browser.get("/").await.text(), "cookie: __Host-visits=1");
///
/// let development = Browser::http(tower::service_fn(visit));
/// development.get("/").await;
/// assert_eq!(development.dropped(), ["__Host-visits: it is Secure and came by plain HTTP"]);
/// # }
/// ```
#[derive(Clone)]
pub struct Browser<S> {
    service: S,
    jar: Arc<Mutex<Jar>>,
    origin: Origin,
    clock: HandClock,
}

impl<S> Browser<S> {
    /// Asks `service` as `https://library.example`.
    pub fn https(service: S) -> Self {
        Self::new(service, "https://library.example")
    }

    /// Asks `service` as `http://library.example`.
    pub fn http(service: S) -> Self {
        Self::new(service, "http://library.example")
    }

    fn new(service: S, origin: &str) -> Self {
        Self {
            service,
            jar: Arc::default(),
            origin: Origin::parse(origin),
            clock: HandClock::new(),
        }
    }

    /// Goes by `clock`, which the test shares with the sessions.
    #[must_use]
    pub fn clock(mut self, clock: &HandClock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Another tab, which asks the same service under another origin.
    ///
    /// # Panics
    /// If `origin` is not a scheme, a host and perhaps a port, as in `http://localhost:8000`.
    #[must_use]
    pub fn at(&self, origin: &str) -> Self
    where
        S: Clone,
    {
        Self {
            origin: Origin::parse(origin),
            ..self.clone()
        }
    }

    /// Takes in a `Set-Cookie` line, as if the page `/` had sent it.
    pub fn receive(&self, set_cookie: &str) {
        let now = self.clock.now();
        self.jar().receive(set_cookie, &self.origin, "/", now);
    }

    /// All cookies that are kept, the oldest first.
    pub fn cookies(&self) -> Vec<Cookie> {
        let mut jar = self.jar();
        jar.throw_away_expired(self.clock.now());
        jar.cookies.clone()
    }

    /// The cookie of this name; the oldest, if there are several.
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        self.cookies()
            .into_iter()
            .find(|cookie| cookie.name == name)
    }

    /// The cookies that were sent and not kept, in order: each its name and the reason.
    pub fn dropped(&self) -> Vec<String> {
        self.jar().dropped.clone()
    }

    /// Closes the browser and starts it again: what lasts only until then is thrown away.
    pub fn close(&self) {
        self.jar().cookies.retain(|cookie| cookie.expires.is_some());
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, R> Browser<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    S::Error: fmt::Debug,
    R: BodyExt,
    R::Error: fmt::Debug,
{
    /// Asks for `path`, which may have a query.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub async fn get(&self, path: &str) -> Page {
        let request = Request::get(path).body(Full::default());
        self.send(request.expect("the path is a path")).await
    }

    /// Sends a form, whose body is in its URL-encoded form already.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Page {
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(body.into()));
        self.send(request.expect("the path is a path")).await
    }

    /// Sends `request` with the headers that a browser adds: `Host` and `Cookie`, and with anything but a GET or HEAD
    /// `Origin` and `Sec-Fetch-Site`. What the request brings itself is left as it is, a stolen `Cookie` for instance.
    ///
    /// Cookies are taken in as soon as the head of the answer is there. If the future is dropped before that, none
    /// are.
    ///
    /// # Panics
    /// If the service or the body of its answer fails: a browser would have nothing to show.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Page {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let is_repeatable = request.method().is_safe();
        self.add_headers(&mut request);

        let mut service = self.service.clone();
        let is_ready = poll_fn(|cx| service.poll_ready(cx)).await;
        is_ready.expect("the service is ready");
        let answer = service.call(request).await.expect("the service answers");

        let (head, body) = answer.into_parts();
        self.take_cookies(&head.headers, &path);
        let body = body
            .collect()
            .await
            .expect("the body of the answer is whole");
        Page {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
            origin: self.origin.clone(),
            path,
            is_repeatable,
        }
    }

    /// Goes where the redirect `page` leads, with a GET. Nothing else follows redirects.
    ///
    /// # Panics
    /// If `page` is no redirect, or one that wants something else repeated than a GET; and as [`send`](Self::send).
    pub async fn follow(&self, page: &Page) -> Page {
        let (origin, path) = page.target();
        let there = Self {
            origin,
            ..self.clone()
        };
        there.get(&path).await
    }

    fn add_headers(&self, request: &mut Request<Full<Bytes>>) {
        let path = request.uri().path().to_owned();
        let cookies = self.jar().header(&self.origin, &path, self.clock.now());
        let is_safe = request.method().is_safe();
        let mut add = |name: HeaderName, value: &str| {
            let value = HeaderValue::from_str(value);
            let value = value.expect("a header that the browser makes is one line of text");
            request.headers_mut().entry(name).or_insert(value);
        };
        add(HOST, self.origin.authority());
        if let Some(cookies) = cookies {
            add(COOKIE, &cookies);
        }
        if !is_safe {
            add(ORIGIN, self.origin.as_str());
            add(HeaderName::from_static("sec-fetch-site"), "same-origin");
        }
    }

    fn take_cookies(&self, headers: &http::HeaderMap, path: &str) {
        let path = path.split('?').next().unwrap_or_default();
        let now = self.clock.now();
        let mut jar = self.jar();
        for line in headers.get_all(SET_COOKIE) {
            let line = String::from_utf8_lossy(line.as_bytes());
            jar.receive(&line, &self.origin, path, now);
        }
    }
}

impl<S> fmt::Debug for Browser<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser")
            .field("origin", &self.origin)
            .field("jar", &self.jar)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::time::Duration;

    use tokio::sync::Barrier;
    use tower::service_fn;

    #[tokio::test]
    async fn a_cookie_comes_back_until_the_clock_passes_its_age() {
        let clock = HandClock::new();
        let browser = Browser::https(service_fn(echo)).clock(&clock);
        browser.post("/", "a=1; Max-Age=60").await;

        assert_eq!(browser.get("/").await.text(), "a=1");
        clock.advance(Duration::from_secs(60));
        assert_eq!(browser.get("/").await.text(), "");
        assert_eq!(browser.cookie("a"), None);
    }

    #[tokio::test]
    async fn closing_throws_away_what_has_no_age() {
        let browser = Browser::https(service_fn(echo));
        browser.post("/", "kept=1; Max-Age=60").await;
        browser.post("/", "closed=1").await;

        browser.close();

        assert_eq!(browser.get("/").await.text(), "kept=1");
    }

    #[tokio::test]
    async fn a_tab_shares_the_jar_and_may_have_another_origin() {
        let browser = Browser::https(service_fn(echo));
        let other = browser.at("https://www.library.example");
        browser.post("/", "ours=1; Domain=library.example").await;
        browser.post("/", "mine=1").await;

        assert_eq!(other.get("/").await.text(), "ours=1");
        assert_eq!(browser.clone().get("/").await.text(), "ours=1; mine=1");
    }

    #[tokio::test]
    async fn two_requests_of_one_browser_can_wait_for_each_other() {
        let meeting = Arc::new(Barrier::new(2));
        let browser = Browser::https(service_fn(move |_: Request<Full<Bytes>>| {
            let meeting = meeting.clone();
            async move {
                meeting.wait().await;
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        }));

        let other = browser.clone();
        let waiting = tokio::spawn(async move { other.get("/").await.status });

        assert_eq!(browser.get("/").await.status, 200);
        assert_eq!(waiting.await.unwrap(), 200);
    }

    #[tokio::test]
    async fn a_redirect_is_followed_only_when_asked_with_the_cookies_it_set() {
        let browser = Browser::https(service_fn(async |request: Request<Full<Bytes>>| {
            if request.uri().path() == "/login" {
                let redirect = Response::builder()
                    .status(303)
                    .header("location", "/?from=login");
                return redirect.header("set-cookie", "key=1").body(String::new());
            }
            let cookie = request.headers()[COOKIE].to_str().unwrap();
            Ok(Response::new(format!("{} {cookie}", request.uri())))
        }));

        let redirect = browser.post("/login", "user=ada").await;
        assert_eq!(redirect.status, 303);
        assert_eq!(browser.follow(&redirect).await.text(), "/?from=login key=1");
    }

    #[tokio::test]
    async fn a_request_keeps_the_headers_it_brings() {
        let browser = Browser::https(service_fn(echo));
        browser.receive("a=mine");

        let request = Request::get("/")
            .header(COOKIE, "a=stolen")
            .body(Full::default());

        assert_eq!(browser.send(request.unwrap()).await.text(), "a=stolen");
        assert_eq!(browser.get("/").await.text(), "a=mine");
    }

    #[tokio::test]
    async fn a_form_says_where_it_comes_from() {
        let browser = Browser::http(service_fn(async |request: Request<Full<Bytes>>| {
            let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
            let all = ["host", "origin", "sec-fetch-site", "content-type"].map(header);
            Ok::<_, Infallible>(Response::new(all.join(" ")))
        }));

        let page = browser.at("http://localhost:8000").post("/", "").await;

        let form = "application/x-www-form-urlencoded";
        assert_eq!(
            page.text(),
            format!("localhost:8000 http://localhost:8000 same-origin {form}")
        );
    }

    /// Answers with the request's cookies, and sets the cookie that is its body.
    async fn echo(request: Request<Full<Bytes>>) -> Result<Response<String>, Infallible> {
        let cookies = request
            .headers()
            .get(COOKIE)
            .map(|cookies| cookies.to_str().unwrap().to_owned());
        let mut answer = Response::new(cookies.unwrap_or_default());
        let line = request.into_body().collect().await?.to_bytes();
        if !line.is_empty() {
            let line = HeaderValue::from_bytes(&line).unwrap();
            answer.headers_mut().insert(SET_COOKIE, line);
        }
        Ok(answer)
    }
}
