//! [`SessionLayer`], the middleware for frameworks built on `tower`.
//!
//! # Cost of a request that does not open its session
//!
//! No store call, no header, and four allocations: one for the handle and three for inserting it
//! into the request's extensions (a box, and two for the map if it was empty).
//! `tests/allocations.rs` counts them.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub use super::body::{AnswerBody, ResponseBody};
use crate::http::{Completion, Effects, HandlerError, keep_headers};
use crate::model::{Error, ErrorKind};
use crate::session::SessionHandle;
use crate::sessions::Sessions;

/// A middleware that gives every request a [`SessionHandle`] and commits its session when the
/// response is ready.
///
/// A request that does not open its session passes through without a store call or a header.
///
/// If the session cannot be loaded or saved, the response of the handler is replaced by the one
/// of [`on_error`](Self::on_error).
///
/// Session layers can be nested, each with its own cookie name and store. Extractors use the
/// innermost layer; [`SessionHandle::named`] finds any layer. Several layers of the same `Sessions`
/// act as one, and the outermost commits. Layers of different `Sessions` whose cookies have the
/// same name are a [`Config`](ErrorKind::Config) error when the session is opened.
///
/// # Examples
/// ```
/// # #[cfg(feature = "axum-08")] {
/// use axum::Router;
/// use axum::routing::get;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Session, Sessions};
///
/// async fn index(session: Session) -> cloakroom::Result<String> {
///     let visits = session.update("num_visits", |n: &mut u64| *n += 1)?;
///     Ok(format!("You have visited this page {visits} times."))
/// }
///
/// let sessions = Sessions::new(MemoryStore::new());
/// let app: Router = Router::new().route("/", get(index)).layer(sessions.layer());
/// # }
/// ```
///
/// # Order among other layers
///
/// The layer compiles in any order with the layers of `tower` and `tower-http`. In any order, a
/// failed request commits only its logout, if it recorded one. This order is recommended:
///
/// ```
/// # #[cfg(feature = "axum-08")] {
/// # use std::time::Duration;
/// # use axum::error_handling::HandleErrorLayer;
/// # use axum::{BoxError, Router, body::Body, routing::get};
/// # use cloakroom::{Session, Sessions, store::MemoryStore};
/// # use http::{Request, StatusCode};
/// # use tower::{ServiceBuilder, ServiceExt, timeout::TimeoutLayer};
/// # use tower_http::catch_panic::CatchPanicLayer;
/// # use tower_http::compression::CompressionLayer;
/// # use tower_http::limit::RequestBodyLimitLayer;
/// # use tower_http::trace::TraceLayer;
/// # async fn index(session: Session) -> cloakroom::Result<String> {
/// #     session.flush()?;
/// #     std::future::pending().await
/// # }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn run() {
/// # let sessions = Sessions::new(MemoryStore::new());
/// # let session = sessions.new_session();
/// # session.set("theme", "dark").unwrap();
/// # session.save().await.unwrap();
/// # let key = session.key().expect("a saved session has a key");
/// # let cookie = format!("__Host-session={}", key.reveal());
/// # let request = Request::get("/").header("cookie", cookie).body(Body::empty()).unwrap();
/// let app: Router = Router::new().route("/", get(index)).layer(
///     ServiceBuilder::new() // the first is the outermost
///         .layer(TraceLayer::new_for_http())
///         .layer(CompressionLayer::new())
///         .layer(RequestBodyLimitLayer::new(64 << 10))
///         .layer(sessions.layer())
///         .layer(HandleErrorLayer::new(async |_: BoxError| StatusCode::SERVICE_UNAVAILABLE))
///         .layer(TimeoutLayer::new(Duration::from_secs(10)))
///         .layer(CatchPanicLayer::new()),
/// );
///
/// // `index` logs out and then hangs.
/// let response = app.oneshot(request).await.unwrap();
/// assert_eq!(response.status(), 503);
/// assert!(response.headers()["set-cookie"].to_str().unwrap().contains("; Max-Age=0;"));
/// # }
/// # run();
/// # }
/// ```
///
/// * Outside: what describes or transports a response, such as tracing, compression, CORS and
///   security headers. Such a layer then covers the answers of `on_error` as well. Limits that
///   refuse a request, such as those on the size of its body and on load, also belong outside,
///   because a refused request needs no session.
/// * Inside: what ends the handler, such as timeouts and the panic catcher, with a
///   `HandleErrorLayer` around those that fail with an error. The session layer then sees a
///   response, waits for the logout and adds the headers that remove the cookie. If the timeout
///   or the panic catcher is outside, a timeout or a panic ends the session layer together with
///   the handler: the logout is carried out in the background, and the browser keeps a cookie
///   that opens nothing.
///
/// An error of the inner service, a panic and a 5xx are failures. As in Django, a 4xx is not: edits
/// made before it are saved. Let a timeout answer with 503 or 504, not with 408, unless the edits
/// made before the timeout should be saved.
///
/// A middleware inside this layer may add headers to a page that the answer of `on_error` replaces
/// later. The headers for CORS and security are copied to the answer, unless `on_error` has set
/// them. `Vary` is always copied, and so are the cookies of session layers inside this one.
/// `Content-Type`, `ETag`, `Location`, other cookies and everything else are discarded with the
/// page.
///
/// # Bodies
///
/// Request bodies may be of any type. A response body must implement `http_body::Body` with `Bytes`
/// as its data. Responses with axum's `Body` pass through as they are. The layer wraps any other
/// body in a [`ResponseBody`], or in axum's `Body` if `on_error` answers with that: see
/// [`AnswerBody`].
#[derive(Clone, Debug)]
pub struct SessionLayer<E = PlainText> {
    sessions: Sessions,
    on_error: E,
}

impl Sessions {
    /// Returns the middleware that serves these sessions.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{SessionHandle, Sessions, store::MemoryStore};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// async fn index(request: Request<()>) -> cloakroom::Result<Response<String>> {
    ///     let session = SessionHandle::of(request.extensions())?.open().await?;
    ///     session.set("theme", "dark")?;
    ///     Ok(Response::new("saved".to_owned()))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::new(MemoryStore::new());
    /// let service = sessions.layer().layer(service_fn(index));
    ///
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert!(response.headers().contains_key("set-cookie"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn layer(&self) -> SessionLayer {
        SessionLayer {
            sessions: self.clone(),
            on_error: PlainText,
        }
    }
}

impl<E> SessionLayer<E> {
    /// Sets the function that makes the response when a session cannot be loaded or saved, or when
    /// a handler returns a session's [`Error`]. The handler's response is dropped, since it may
    /// claim a save that did not happen. [`SessionLayer`](Self#order-among-other-layers) describes
    /// which headers of the dropped response the answer keeps.
    ///
    /// The answer may have a different body type from the inner service's responses: see
    /// [`AnswerBody`].
    ///
    /// The function must set the status: [`ErrorKind::status`] returns the one for the error. The
    /// layer adds `Retry-After: 2` to a 503, and the time of
    /// [`max_new_sessions`](crate::SessionsBuilder::max_new_sessions) to a 429.
    ///
    /// Defaults to [`PlainText`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::MemoryStore;
    /// use cloakroom::tower::RequestInfo;
    /// use cloakroom::{Error, Sessions};
    /// use http::Response;
    /// # use cloakroom::SessionHandle;
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # async fn index(request: Request<()>) -> cloakroom::Result<Response<String>> {
    /// #     let session = SessionHandle::of(request.extensions())?.open().await?;
    /// #     session.set("theme", "dark")?;
    /// #     Ok(Response::new("saved".to_owned()))
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::new(MemoryStore::new().max_bytes(0)); // cannot save anything
    /// let layer = sessions.layer().on_error(|error: &Error, request: &RequestInfo| {
    ///     let page = format!("{} cannot be shown at the moment.", request.uri.path());
    ///     let mut response = Response::new(page);
    ///     *response.status_mut() = error.kind().status();
    ///     response
    /// });
    ///
    /// let response = layer.layer(service_fn(index)).oneshot(Request::new(())).await?;
    /// assert_eq!(response.status(), 503);
    /// # let body = response.into_body().collect().await.expect("text cannot fail").to_bytes();
    /// assert_eq!(body, "/ cannot be shown at the moment.");
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_error<F, A>(self, on_error: F) -> SessionLayer<F>
    where
        F: Fn(&Error, &RequestInfo) -> Response<A> + Clone,
    {
        SessionLayer {
            sessions: self.sessions,
            on_error,
        }
    }
}

impl<S, E: Clone> Layer<S> for SessionLayer<E> {
    type Service = SessionService<S, E>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService {
            inner,
            sessions: self.sessions.clone(),
            on_error: self.on_error.clone(),
        }
    }
}

/// The service that [`SessionLayer`] creates.
#[derive(Clone, Debug)]
pub struct SessionService<S, E = PlainText> {
    inner: S,
    sessions: Sessions,
    on_error: E,
}

impl<S, E, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S, E>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    E: OnError<ResBody>,
{
    type Response = Response<E::Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, E, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let kept = self.on_error.keep(&request);
        let outer = request.extensions().get::<SessionHandle>().cloned();
        let lines = request.headers().get_all(COOKIE).iter();
        let lines = lines.map(HeaderValue::as_bytes);
        let handle = self.sessions.begin_from(lines, outer);
        request.extensions_mut().insert(handle.clone());
        ResponseFuture {
            state: State::Handling {
                future: closing_on_panic(&handle, || self.inner.call(request)),
            },
            handle,
            on_error: self.on_error.clone(),
            request: kept,
        }
    }
}

/// Calls the inner service. If the call panics, there is no [`ResponseFuture`] whose `drop` closes
/// the session. This function then closes the session, so that it accepts no more edits.
#[inline]
fn closing_on_panic<F>(handle: &SessionHandle, call: impl FnOnce() -> F) -> F {
    struct Unwinding<'a>(&'a SessionHandle);

    impl Drop for Unwinding<'_> {
        fn drop(&mut self) {
            finish_in_background(self.0, Completion::Panicked);
        }
    }

    let unwinding = Unwinding(handle);
    let future = call();
    mem::forget(unwinding);
    future
}

pin_project! {
    /// The future of [`SessionService`]. It runs the handler, then the commit.
    ///
    /// If it is dropped while the handler runs, a logout that the handler recorded is carried out
    /// in the background; all other unsaved changes are lost. If it is dropped during the commit,
    /// the commit continues in the background.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, E, B, Err>
    where
        E: OnError<B>,
    {
        #[pin]
        state: State<F, Result<Response<E::Body>, Err>>,
        handle: SessionHandle,
        on_error: E,
        request: E::Context,
    }

    impl<F, E, B, Err> PinnedDrop for ResponseFuture<F, E, B, Err>
    where
        E: OnError<B>,
    {
        fn drop(this: Pin<&mut Self>) {
            if let State::Handling { .. } = &this.state {
                let completion = match std::thread::panicking() {
                    true => Completion::Panicked,
                    false => Completion::Dropped,
                };
                finish_in_background(&this.handle, completion);
            }
        }
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, O> {
        Handling {
            #[pin]
            future: F,
        },
        Committing {
            commit: Pin<Box<dyn Future<Output = crate::Result<Effects>> + Send>>,
            output: Option<O>,
        },
        Done,
    }
}

impl<F, E, B, Err> Future for ResponseFuture<F, E, B, Err>
where
    F: Future<Output = Result<Response<B>, Err>>,
    E: OnError<B>,
{
    type Output = Result<Response<E::Body>, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // At most two rounds: one for the handler, one for the commit.
        loop {
            match this.state.as_mut().project() {
                StateProj::Handling { future } => {
                    let mut output = ready!(future.poll(cx));
                    let (failure, completion) = match &mut output {
                        Ok(response) => match response.extensions_mut().remove::<HandlerError>() {
                            None => (None, response.status().into()),
                            failure => (failure, StatusCode::INTERNAL_SERVER_ERROR.into()),
                        },
                        Err(_) => (None, Completion::Error),
                    };
                    if failure.is_none()
                        && let Some(effects) = this.handle.finish_at_once(completion)
                    {
                        this.state.set(State::Done);
                        if let Ok(response) = &mut output {
                            apply(effects, response, this.handle);
                        }
                        return Poll::Ready(match output {
                            Ok(response) => Ok(response.map(|body| this.on_error.inner(body))),
                            Err(error) => Err(error),
                        });
                    }
                    let output = output.map(|response| {
                        let mut response = response.map(|body| this.on_error.inner(body));
                        match failure {
                            None => {}
                            Some(answered) if answered.is_answered() => {
                                response.extensions_mut().insert(answered);
                            }
                            // `on_error` also answers the errors of extractors and handlers, so
                            // that all error pages look alike.
                            Some(failure) => {
                                let error = failure.into_error();
                                let (on_error, request) = (&*this.on_error, &*this.request);
                                replace(&mut response, error, on_error, request, this.handle);
                            }
                        }
                        response
                    });
                    let handle = this.handle.clone();
                    this.state.set(State::Committing {
                        commit: Box::pin(async move { handle.finish(completion).await }),
                        output: Some(output),
                    });
                }
                StateProj::Committing { commit, output } => {
                    let committed = ready!(commit.as_mut().poll(cx));
                    let mut output = output.take().expect("polled after it was ready");
                    this.state.set(State::Done);
                    match (&mut output, committed) {
                        (Ok(response), Ok(effects)) => apply(effects, response, this.handle),
                        (Ok(response), Err(error)) => {
                            log(&error);
                            replace(response, error, this.on_error, this.request, this.handle);
                            apply(this.handle.acknowledged(), response, this.handle);
                        }
                        (Err(_), Ok(_)) => {}
                        (Err(_), Err(error)) => log(&error),
                    }
                    return Poll::Ready(output);
                }
                StateProj::Done => panic!("polled after it was ready"),
            }
        }
    }
}

/// Carries out a logout of a request that never got a response.
fn finish_in_background(handle: &SessionHandle, completion: Completion) {
    if !handle.abandon() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        tracing::error!(
            "a logout was not carried out: its request was dropped outside of the tokio runtime; \
             drop futures of requests inside the runtime"
        );
        return;
    };
    let handle = handle.clone();
    runtime.spawn(async move {
        if let Err(error) = handle.finish(completion).await {
            log(&error);
        }
    });
}

/// Logs a session's error. The level is `INFO` if the session ended while a request was using it,
/// for example because the visitor logged out in another tab, and `ERROR` in every other case.
pub(crate) fn log(error: &Error) {
    let cause = format!("{error:#}");
    match error.kind() {
        ErrorKind::Interrupted => {
            tracing::info!(error = cause, "a session ended during its request")
        }
        _ => tracing::error!(error = cause, "a request failed because of its session"),
    }
}

/// Adds the headers of the session to a response.
#[inline]
fn apply<B>(effects: Effects, response: &mut Response<B>, handle: &SessionHandle) {
    // Most requests have no effects. Their responses are spared the call.
    if !effects.is_empty() {
        write(effects, response, handle);
    }
}

#[inline(never)]
fn write<B>(effects: Effects, response: &mut Response<B>, handle: &SessionHandle) {
    if handle.is_nested() && effects.set_cookies().next().is_some() {
        let sent = response
            .extensions_mut()
            .get_or_insert_default::<SentCookies>();
        sent.0.extend(effects.set_cookies().cloned());
    }
    effects.apply(response.headers_mut());
}

/// A response extension with the cookies that session layers have added. A session layer that is
/// further out copies these cookies to its answer when it replaces the response, since the browser
/// must learn the keys of the sessions that are saved already.
#[derive(Clone, Default)]
struct SentCookies(Vec<HeaderValue>);

/// Replaces `response` with the answer to `error`. The answer gets the CORS and security headers of
/// the response, its `Vary`, and the cookies that inner session layers have added to it.
fn replace<B, E: OnError<B>>(
    response: &mut Response<E::Body>,
    error: Error,
    on_error: &E,
    request: &E::Context,
    handle: &SessionHandle,
) {
    let mut answer = on_error.response(&error, request);
    keep_headers(response.headers(), answer.headers_mut());
    if let Some(sent) = response.extensions_mut().remove::<SentCookies>() {
        for cookie in &sent.0 {
            answer.headers_mut().append(SET_COOKIE, cookie.clone());
        }
        answer.extensions_mut().insert(sent);
    }
    let retry_after = match answer.status() {
        StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_SECS),
        StatusCode::TOO_MANY_REQUESTS => handle.new_session_secs(),
        _ => None,
    };
    if let Some(secs) = retry_after {
        let headers = answer.headers_mut();
        headers
            .entry(RETRY_AFTER)
            .or_insert(HeaderValue::from(secs));
    }
    if handle.is_nested() {
        answer
            .extensions_mut()
            .insert(HandlerError::answered(error));
    }
    *response = answer;
}

/// Makes the response for a session's error. Implemented by [`PlainText`] and by every
/// `Fn(&Error, &RequestInfo) -> Response<A>`.
///
/// `B` is the body of the inner service's responses. The answer may have a different body type: see
/// [`AnswerBody`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a session's error where the response body is `{B}`",
    note = "the bodies of the inner service and of `on_error`'s answer must implement \
            `http_body::Body<Data = Bytes>`"
)]
pub trait OnError<B>: Clone {
    /// The part of every request that is kept in case the request fails.
    type Context;

    /// The body of the layer's responses.
    type Body;

    /// Copies what [`response`](Self::response) needs from a request.
    fn keep<T>(&self, request: &Request<T>) -> Self::Context;

    /// Returns the response that is sent instead of the handler's.
    fn response(&self, error: &Error, request: &Self::Context) -> Response<Self::Body>;

    /// Converts the body of a response that is not replaced.
    fn inner(&self, body: B) -> Self::Body;
}

impl<F, A, B> OnError<B> for F
where
    F: Fn(&Error, &RequestInfo) -> Response<A> + Clone,
    A: Body<Data = Bytes, Error: AnswerBody<B, A>>,
{
    type Context = RequestInfo;
    type Body = <A::Error as AnswerBody<B, A>>::Body;

    fn keep<T>(&self, request: &Request<T>) -> RequestInfo {
        RequestInfo {
            method: request.method().clone(),
            uri: request.uri().clone(),
            accept: request.headers().get(ACCEPT).cloned(),
        }
    }

    fn response(&self, error: &Error, request: &RequestInfo) -> Response<Self::Body> {
        self(error, request).map(A::Error::answer)
    }

    #[inline]
    fn inner(&self, body: B) -> Self::Body {
        A::Error::inner(body)
    }
}

/// The request that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestInfo {
    /// The method of the request.
    pub method: Method,
    /// The URI of the request, as the layer received it.
    pub uri: Uri,
    /// The first `Accept` header of the request.
    pub accept: Option<HeaderValue>,
}

/// The default response to a session's error: one sentence of plain text without internals.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainText;

impl PlainText {
    pub(crate) fn answer(self, error: &Error) -> Response<String> {
        let status = error.kind().status();
        let text = match status.as_u16() {
            400 => {
                "Your session ended while this page was being made. Please go back and try again.\n"
            }
            503 => "This page cannot be shown at the moment. Please try again in a few seconds.\n",
            _ => "Something went wrong on our side.\n",
        };
        let mut response = Response::new(text.to_owned());
        *response.status_mut() = status;
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

impl<B> OnError<B> for PlainText
where
    B: Body<Data = Bytes, Error: AnswerBody<B, String>>,
{
    type Context = ();
    type Body = <B::Error as AnswerBody<B, String>>::Body;

    fn keep<T>(&self, _: &Request<T>) {}

    fn response(&self, error: &Error, (): &()) -> Response<Self::Body> {
        self.answer(error).map(B::Error::answer)
    }

    #[inline]
    fn inner(&self, body: B) -> Self::Body {
        B::Error::inner(body)
    }
}

/// Long enough for a database to recover, short enough for a visitor to wait.
const RETRY_AFTER_SECS: u64 = 2;
