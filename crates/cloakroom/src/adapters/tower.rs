//! [`SessionLayer`], the middleware for frameworks built on `tower`.
//!
//! # Cost of a request that does not open its session
//!
//! No store call, no header, and four allocations: one for the handle and three for inserting it
//! into the request's extensions (a box, and two for the map if it was empty).
//! `tests/allocations.rs` counts them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::http::{Completion, Effects, HandlerError};
use crate::model::{Error, ErrorKind, Result};
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
/// innermost one; [`SessionHandle::named`] finds any of them. Several layers of the same `Sessions`
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
    /// async fn index(request: Request<()>) -> cloakroom::Result<Response<&'static str>> {
    ///     let session = SessionHandle::of(request.extensions())?.open().await?;
    ///     session.set("theme", "dark")?;
    ///     Ok(Response::new("saved"))
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
    /// claim a save that did not happen.
    ///
    /// [`ErrorKind::status`] gives the status. The layer adds `Retry-After: 2` to a 503.
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
    /// assert_eq!(response.body(), "/ cannot be shown at the moment.");
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_error<F, B>(self, on_error: F) -> SessionLayer<F>
    where
        F: Fn(&Error, &RequestInfo) -> Response<B> + Clone,
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

/// The service that [`SessionLayer`] makes.
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
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, E, ResBody>;

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
                future: self.inner.call(request),
            },
            handle,
            on_error: self.on_error.clone(),
            request: kept,
        }
    }
}

pin_project! {
    /// The future of [`SessionService`]. It runs the handler, then the commit.
    ///
    /// If it is dropped while the handler runs, only a logout that the handler recorded is carried
    /// out, in the background. If it is dropped during the commit, the commit goes on in the
    /// background.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, E, B>
    where
        F: Future,
        E: OnError<B>,
    {
        #[pin]
        state: State<F>,
        handle: SessionHandle,
        on_error: E,
        request: E::Context,
    }

    impl<F, E, B> PinnedDrop for ResponseFuture<F, E, B>
    where
        F: Future,
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
    enum State<F>
    where
        F: Future,
    {
        Handling {
            #[pin]
            future: F,
        },
        Committing {
            commit: Pin<Box<dyn Future<Output = Result<Effects>> + Send>>,
            output: Option<F::Output>,
        },
        Done,
    }
}

impl<F, E, B, Err> Future for ResponseFuture<F, E, B>
where
    F: Future<Output = Result<Response<B>, Err>>,
    E: OnError<B>,
{
    type Output = Result<Response<B>, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // At most two rounds: one for the handler, one for the commit.
        loop {
            match this.state.as_mut().project() {
                StateProj::Handling { future } => {
                    let mut output = ready!(future.poll(cx));
                    let completion = match &mut output {
                        Ok(response) => match response.extensions_mut().remove::<HandlerError>() {
                            // `on_error` also answers the errors of extractors and handlers, so
                            // that all error pages look alike.
                            Some(error) => {
                                let error = error.into_error();
                                *response = answer(this.on_error, &error, this.request);
                                StatusCode::INTERNAL_SERVER_ERROR.into()
                            }
                            None => response.status().into(),
                        },
                        Err(_) => Completion::Error,
                    };
                    if let Some(effects) = this.handle.finish_at_once(completion) {
                        this.state.set(State::Done);
                        if let Ok(response) = &mut output {
                            effects.apply(response.headers_mut());
                        }
                        return Poll::Ready(output);
                    }
                    let handle = this.handle.clone();
                    this.state.set(State::Committing {
                        commit: Box::pin(async move { handle.finish(completion).await }),
                        output: Some(output),
                    });
                }
                StateProj::Committing { commit, output } => {
                    let committed = ready!(commit.as_mut().poll(cx));
                    let output = output.take().expect("polled after it was ready");
                    this.state.set(State::Done);
                    let mut response = match output {
                        Ok(response) => response,
                        Err(error) => {
                            if let Err(failed) = &committed {
                                log(failed);
                            }
                            return Poll::Ready(Err(error));
                        }
                    };
                    let effects = committed.unwrap_or_else(|error| {
                        log(&error);
                        response = answer(this.on_error, &error, this.request);
                        this.handle.acknowledged()
                    });
                    effects.apply(response.headers_mut());
                    return Poll::Ready(Ok(response));
                }
                StateProj::Done => panic!("polled after it was ready"),
            }
        }
    }
}

/// Carries out a logout of a request that never got a response.
fn finish_in_background(handle: &SessionHandle, completion: Completion) {
    if handle.abandon()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        let handle = handle.clone();
        runtime.spawn(async move {
            if let Err(error) = handle.finish(completion).await {
                log(&error);
            }
        });
    }
}

/// Logs a session's error: as information if the session ended under its request, which happens
/// when a visitor logs out in another tab, and as an error in every other case.
pub(crate) fn log(error: &Error) {
    let cause = format!("{error:#}");
    match error.kind() {
        ErrorKind::Interrupted => {
            tracing::info!(error = cause, "a session ended during its request")
        }
        _ => tracing::error!(error = cause, "a request failed because of its session"),
    }
}

fn answer<B, E: OnError<B>>(on_error: &E, error: &Error, request: &E::Context) -> Response<B> {
    let mut response = on_error.response(error, request);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers
            .entry(RETRY_AFTER)
            .or_insert(HeaderValue::from_static(RETRY_AFTER_SECS));
    }
    response
}

/// Makes the response for a session's error. Implemented by [`PlainText`] and by every
/// `Fn(&Error, &RequestInfo) -> Response<B>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a session's error with a body of type `{B}`",
    note = "give `on_error` a `Fn(&Error, &RequestInfo) -> Response<_>` \
            whose body is that of the inner service"
)]
pub trait OnError<B>: Clone {
    /// What is kept of every request for the case that it fails.
    type Context;

    /// Copies what [`response`](Self::response) needs from a request.
    fn keep<T>(&self, request: &Request<T>) -> Self::Context;

    /// Returns the response that is sent instead of the handler's.
    fn response(&self, error: &Error, request: &Self::Context) -> Response<B>;
}

impl<F, B> OnError<B> for F
where
    F: Fn(&Error, &RequestInfo) -> Response<B> + Clone,
{
    type Context = RequestInfo;

    fn keep<T>(&self, request: &Request<T>) -> RequestInfo {
        RequestInfo {
            method: request.method().clone(),
            uri: request.uri().clone(),
            accept: request.headers().get(ACCEPT).cloned(),
        }
    }

    fn response(&self, error: &Error, request: &RequestInfo) -> Response<B> {
        self(error, request)
    }
}

/// The request that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestInfo {
    /// Its method.
    pub method: Method,
    /// Its URI, as the layer received it.
    pub uri: Uri,
    /// Its first `Accept` header.
    pub accept: Option<HeaderValue>,
}

/// The default response to a session's error: one sentence of plain text without internals.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainText;

impl<B: From<&'static str>> OnError<B> for PlainText {
    type Context = ();

    fn keep<T>(&self, _: &Request<T>) {}

    fn response(&self, error: &Error, (): &()) -> Response<B> {
        let status = error.kind().status();
        let text = match status.as_u16() {
            400 => {
                "Your session ended while this page was being made. Please go back and try again.\n"
            }
            503 => "This page cannot be shown at the moment. Please try again in a few seconds.\n",
            _ => "Something went wrong on our side.\n",
        };
        let mut response = Response::new(text.into());
        *response.status_mut() = status;
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

/// Long enough for a database to recover, short enough for a visitor to wait.
const RETRY_AFTER_SECS: &str = "2";
