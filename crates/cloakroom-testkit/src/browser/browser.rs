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

/// A browser for tests: it calls a tower service, stores the service's cookies and sends them back.
///
/// The browser follows RFC 6265bis, as strictly as the strictest real browser. It refuses every
/// cookie that a real browser would refuse, for example a `__Host-` cookie without `Secure`, a
/// `Secure` cookie over plain HTTP (even on `localhost`), or a cookie of more than 4096 bytes.
/// [`dropped`](Self::dropped) returns the reasons. Three things differ from a real browser:
///
/// * Every request is same-site, so `SameSite` is parsed but never withholds a cookie.
/// * There is no list of public suffixes. A `Domain` without a dot counts as a public suffix.
/// * There are no scripts, and redirects are followed only by [`follow`](Self::follow).
///
/// A clone is another tab: it shares the cookies, and both tabs can wait for a response at the same
/// time.
///
/// The service is called directly, without a network. It must accept requests with a [`Full`]
/// body, as an axum `Router` does. If a service takes another body type, wrap it in tower's
/// `map_request`.
///
/// # Examples
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use cloakroom_testkit::Browser;
/// use http::{Request, Response};
/// use http_body_util::Full;
///
/// async fn visit(request: Request<Full<Bytes>>) -> Result<Response<String>, Infallible> {
///     let cookie = request.headers().get("cookie");
///     let cookie = cookie.map_or("none", |cookie| cookie.to_str().unwrap());
///     let response = Response::builder().header("set-cookie", "__Host-visits=1; Secure; Path=/");
///     Ok(response.body(format!("cookie: {cookie}")).unwrap())
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
    /// Creates a browser that calls `service` under the origin `https://library.example`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// // This example sends no request, so it needs no service.
    /// let browser = Browser::https(());
    /// browser.receive("__Host-visits=1; Secure; Path=/");
    ///
    /// assert!(browser.cookie("__Host-visits").is_some());
    /// ```
    pub fn https(service: S) -> Self {
        Self::new(service, "https://library.example")
    }

    /// Creates a browser that calls `service` under the origin `http://library.example`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// let browser = Browser::http(());
    /// browser.receive("__Host-visits=1; Secure; Path=/");
    ///
    /// assert_eq!(browser.cookie("__Host-visits"), None);
    /// ```
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

    /// Makes cookies expire by `clock`. Give a clone of it to [`Sessions`](cloakroom::Sessions), so
    /// that cookies and sessions expire by the same clock.
    ///
    /// By default, the browser has its own [`HandClock`], which stands still.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom_testkit::{Browser, HandClock};
    ///
    /// let clock = HandClock::new();
    /// let browser = Browser::https(()).clock(&clock);
    /// browser.receive("visits=1; Max-Age=60");
    /// clock.advance(Duration::from_secs(60));
    ///
    /// assert_eq!(browser.cookie("visits"), None);
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: &HandClock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Returns another tab, which calls the same service under `origin`.
    ///
    /// # Panics
    /// If `origin` is not a scheme and a host with an optional port, as in
    /// `http://localhost:8000`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// let browser = Browser::https(());
    /// let other = browser.at("http://library.example:8000");
    /// other.receive("visits=1; Secure");
    ///
    /// assert_eq!(browser.dropped(), ["visits: it is Secure and came by plain HTTP"]);
    /// ```
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

    /// Handles `set_cookie` as if it were a `Set-Cookie` header in the response for `/`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// let browser = Browser::https(());
    /// browser.receive("visits=1; Path=/catalog; HttpOnly");
    ///
    /// let cookie = browser.cookie("visits").expect("the cookie is kept");
    /// assert_eq!((cookie.value.as_str(), cookie.path.as_str()), ("1", "/catalog"));
    /// assert!(cookie.http_only && cookie.expires.is_none());
    /// ```
    pub fn receive(&self, set_cookie: &str) {
        let now = self.clock.now();
        self.jar().receive(set_cookie, &self.origin, "/", now);
    }

    /// Returns all unexpired cookies, the oldest first.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// let browser = Browser::https(());
    /// browser.receive("visits=1");
    /// browser.receive("theme=dark");
    /// browser.receive("visits=2");
    ///
    /// let [visits, theme] = &browser.cookies()[..] else { panic!("there are two cookies") };
    /// assert_eq!((visits.value.as_str(), theme.value.as_str()), ("2", "dark"));
    /// ```
    pub fn cookies(&self) -> Vec<Cookie> {
        let mut jar = self.jar();
        jar.remove_expired(self.clock.now());
        jar.cookies.clone()
    }

    /// Returns the cookie with this name, or `None` if it is absent. If several cookies with this
    /// name differ in domain or path, returns the oldest.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// let browser = Browser::https(());
    /// browser.receive("visits=1");
    ///
    /// assert_eq!(browser.cookie("visits").map(|cookie| cookie.value), Some("1".to_owned()));
    /// assert_eq!(browser.cookie("theme"), None);
    /// ```
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        self.cookies()
            .into_iter()
            .find(|cookie| cookie.name == name)
    }

    /// Returns the cookies that the browser refused, the oldest first, each as its name and the
    /// reason.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// let browser = Browser::https(());
    /// browser.receive("visits=1; SameSite=None");
    ///
    /// assert_eq!(browser.dropped(), ["visits: SameSite=None needs Secure"]);
    /// ```
    pub fn dropped(&self) -> Vec<String> {
        self.jar().dropped.clone()
    }

    /// Closes and restarts the browser, which deletes cookies without an expiry.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Browser;
    ///
    /// let browser = Browser::https(());
    /// browser.receive("visits=1; Max-Age=60");
    /// browser.receive("theme=dark");
    /// browser.close();
    ///
    /// assert!(browser.cookie("visits").is_some());
    /// assert!(browser.cookie("theme").is_none());
    /// ```
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
    /// Requests `path`, which may contain a query.
    ///
    /// # Panics
    /// As for [`send`](Self::send).
    ///
    /// # Examples
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes;
    /// # use cloakroom_testkit::Browser;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let browser = Browser::https(tower::service_fn(async |request: Request<Full<Bytes>>| {
    ///     Ok::<_, Infallible>(Response::new(request.uri().to_string()))
    /// }));
    ///
    /// assert_eq!(browser.get("/books?page=2").await.text(), "/books?page=2");
    /// # }
    /// ```
    pub async fn get(&self, path: &str) -> Page {
        let request = Request::get(path).body(Full::default());
        self.send(request.expect("the path is valid")).await
    }

    /// Posts a form to `path`. The body is sent unchanged, so it must be URL-encoded already.
    ///
    /// # Panics
    /// As for [`send`](Self::send).
    ///
    /// # Examples
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes;
    /// # use cloakroom_testkit::Browser;
    /// # use http::{Request, Response};
    /// # use http_body_util::{BodyExt, Full};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let browser = Browser::https(tower::service_fn(async |request: Request<Full<Bytes>>| {
    ///     assert_eq!(request.headers()["origin"], "https://library.example");
    ///     let form = request.into_body().collect().await?.to_bytes();
    ///     Ok::<_, Infallible>(Response::new(String::from_utf8_lossy(&form).into_owned()))
    /// }));
    ///
    /// assert_eq!(browser.post("/login", "user=ada").await.text(), "user=ada");
    /// # }
    /// ```
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Page {
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(body.into()));
        self.send(request.expect("the path is valid")).await
    }

    /// Sends `request` with the headers that a browser adds, and reads the whole response.
    ///
    /// The browser adds `Host` and `Cookie`, and for unsafe methods such as POST also `Origin` and
    /// `Sec-Fetch-Site`. It does not change headers that the request already has, so a test can
    /// send a stolen cookie.
    ///
    /// Cookies are stored when the head of the response arrives. If the future is dropped before
    /// that, no cookie is stored.
    ///
    /// # Panics
    /// If the service or the body of its response fails.
    ///
    /// # Examples
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes;
    /// # use cloakroom_testkit::Browser;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let browser = Browser::https(tower::service_fn(async |request: Request<Full<Bytes>>| {
    ///     let cookie = request.headers()["cookie"].to_str().unwrap().to_owned();
    ///     Ok::<_, Infallible>(Response::new(cookie))
    /// }));
    ///
    /// let stolen = Request::get("/").header("cookie", "session=stolen").body(Full::default());
    /// assert_eq!(browser.send(stolen.unwrap()).await.text(), "session=stolen");
    /// # }
    /// ```
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
            .expect("the body of the response can be read");
        Page {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
            origin: self.origin.clone(),
            path,
            is_repeatable,
        }
    }

    /// Follows the redirect `page` with a GET. No other method of the browser follows redirects.
    ///
    /// # Panics
    /// If `page` is not a redirect, or if it is a redirect that requires repeating a POST (307 or
    /// 308). Also panics as [`send`](Self::send) does.
    ///
    /// # Examples
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes;
    /// # use cloakroom_testkit::Browser;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let browser = Browser::https(tower::service_fn(async |request: Request<Full<Bytes>>| {
    ///     Ok::<_, Infallible>(match request.uri().path() {
    ///         "/login" => Response::builder().status(303).header("location", "/profile"),
    ///         _ => Response::builder(),
    ///     }
    ///     .body(request.uri().to_string())
    ///     .unwrap())
    /// }));
    ///
    /// let page = browser.post("/login", "user=ada").await;
    /// assert_eq!(browser.follow(&page).await.text(), "/profile");
    /// # }
    /// ```
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
            let value = value.expect("a header of the browser is one line of text");
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
    async fn a_cookie_is_sent_until_it_expires_by_the_clock() {
        let clock = HandClock::new();
        let browser = Browser::https(service_fn(echo)).clock(&clock);
        browser.post("/", "a=1; Max-Age=60").await;

        assert_eq!(browser.get("/").await.text(), "a=1");
        clock.advance(Duration::from_secs(60));
        assert_eq!(browser.get("/").await.text(), "");
        assert_eq!(browser.cookie("a"), None);
    }

    #[tokio::test]
    async fn closing_deletes_cookies_without_an_expiry() {
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
    async fn two_tabs_can_wait_for_a_response_at_the_same_time() {
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
    async fn follow_sends_the_cookies_that_the_redirect_has_set() {
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
    async fn headers_of_the_request_are_not_replaced() {
        let browser = Browser::https(service_fn(echo));
        browser.receive("a=mine");

        let request = Request::get("/")
            .header(COOKIE, "a=stolen")
            .body(Full::default());

        assert_eq!(browser.send(request.unwrap()).await.text(), "a=stolen");
        assert_eq!(browser.get("/").await.text(), "a=mine");
    }

    #[tokio::test]
    async fn a_form_is_sent_with_the_headers_of_a_browser() {
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

    /// Responds with the request's cookies, and sets the cookie that the request's body contains.
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
