//! The middleware for anything built on `tower`: [`SessionLayer`].
//!
//! # What an untouched request costs
//!
//! No store call, no header, and four allocations: the handle, and three for its place in the request's extensions (a
//! box, and the map's own two if nothing else is in it). `tests/allocations.rs` counts them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::http::Effects;
use crate::model::{Error, ErrorKind, Result};
use crate::session::SessionHandle;
use crate::sessions::Sessions;

/// Gives every request a [`SessionHandle`] to its session, and commits the session when the response is ready.
///
/// A request that does not open its session passes through: no store call, no header, and of allocations only the
/// handle and its place in the request's extensions.
///
/// Several layers can wrap each other, each with a cookie name and a store of its own: extractors find the innermost
/// one, [`SessionHandle::named`] any of them.
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
    /// The middleware that gives requests these sessions.
    pub fn layer(&self) -> SessionLayer {
        SessionLayer {
            sessions: self.clone(),
            on_error: PlainText,
        }
    }
}

impl<E> SessionLayer<E> {
    /// Answers in the site's own words when a session cannot be loaded or saved, or a handler returns a session's
    /// error. [`Error`](crate::ErrorKind::status) knows the status; the layer adds `Retry-After` to a 503.
    ///
    /// Whatever else the handler answered is dropped, since it may claim what was not saved.
    pub fn on_error<F, B>(self, on_error: F) -> SessionLayer<F>
    where
        F: Fn(&Error) -> Response<B> + Clone,
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
        let outer = request.extensions_mut().remove::<SessionHandle>();
        let handle = self.sessions.begin_within(request.headers(), outer);
        request.extensions_mut().insert(handle.clone());
        ResponseFuture {
            state: State::Handling {
                future: self.inner.call(request),
            },
            sessions: self.sessions.clone(),
            handle,
            on_error: self.on_error.clone(),
        }
    }
}

pin_project! {
    /// The future of [`SessionService`]: the handler, then the commit.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, E, B> {
        #[pin]
        state: State<F, B>,
        sessions: Sessions,
        handle: SessionHandle,
        on_error: E,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Handling {
            #[pin]
            future: F,
        },
        Committing {
            commit: Pin<Box<dyn Future<Output = Result<Effects>> + Send>>,
            response: Option<Response<B>>,
        },
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
        // Two rounds at most: the handler's, and the commit's.
        loop {
            match this.state.as_mut().project() {
                StateProj::Handling { future } => {
                    let mut response = ready!(future.poll(cx))?;
                    let mut status = response.status();
                    // A failure that an extractor or a handler met is answered here, so that all look alike. Whatever
                    // the site answers, the handler stopped halfway, and its edits do not count.
                    if let Some(Failure(error)) = response.extensions_mut().remove() {
                        response = answer(this.on_error, &error);
                        status = StatusCode::INTERNAL_SERVER_ERROR;
                    }
                    this.handle.finish();
                    if this.handle.is_untouched() {
                        return Poll::Ready(Ok(response));
                    }
                    let (sessions, handle) = (this.sessions.clone(), this.handle.clone());
                    this.state.set(State::Committing {
                        commit: Box::pin(async move { sessions.finish(&handle, status).await }),
                        response: Some(response),
                    });
                }
                StateProj::Committing { commit, response } => {
                    let committed = ready!(commit.as_mut().poll(cx));
                    let mut response = response.take().expect("polled after it was ready");
                    let effects = committed.unwrap_or_else(|error| {
                        log(&error);
                        response = answer(this.on_error, &error);
                        this.handle.acknowledged()
                    });
                    effects.apply(response.headers_mut());
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}

/// A visitor who logged out in another tab is no fault of the site; everything else is.
pub(crate) fn log(error: &Error) {
    let cause = format!("{error:#}");
    match error.kind() {
        ErrorKind::Interrupted => {
            tracing::info!(error = cause, "a session ended under its request")
        }
        _ => tracing::error!(error = cause, "a session failed its request"),
    }
}

fn answer<B>(on_error: &impl OnError<B>, error: &Error) -> Response<B> {
    let mut response = on_error.response(error);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers
            .entry(RETRY_AFTER)
            .or_insert(HeaderValue::from_static(RETRY_AFTER_SECS));
    }
    response
}

/// Makes the response for a session's error: [`PlainText`], or any `Fn(&Error) -> Response<B>`.
pub trait OnError<B>: Clone {
    /// The response that the browser gets instead of the handler's.
    fn response(&self, error: &Error) -> Response<B>;
}

impl<F, B> OnError<B> for F
where
    F: Fn(&Error) -> Response<B> + Clone,
{
    fn response(&self, error: &Error) -> Response<B> {
        self(error)
    }
}

/// The default answer to a session's error: a sentence for the visitor and no internals.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainText;

impl<B: From<&'static str>> OnError<B> for PlainText {
    fn response(&self, error: &Error) -> Response<B> {
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
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

/// Travels in a response's extensions from where an error met a handler to the layer that answers it.
#[derive(Clone)]
pub(crate) struct Failure(pub(crate) Error);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failure").field(&self.0).finish()
    }
}

/// Long enough for a database to come back, short enough for a visitor to wait.
const RETRY_AFTER_SECS: &str = "2";
