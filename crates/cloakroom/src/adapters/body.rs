//! The body of a response that a session layer may have replaced.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

type BoxError = Box<dyn StdError + Send + Sync>;

pin_project! {
    /// The body of a response that passed through a session layer: the body of the inner service's
    /// response, or the body of the response with which the layer answers a session's error.
    ///
    /// Sites that use axum's `Body` never encounter this type. See [`AnswerBody`].
    #[derive(Debug)]
    pub struct ResponseBody<B, A> {
        #[pin]
        source: Source<B, A>,
    }
}

pin_project! {
    #[project = SourceProj]
    #[derive(Debug)]
    enum Source<B, A> {
        Inner {
            #[pin]
            body: B,
        },
        Answer {
            #[pin]
            body: A,
        },
    }
}

impl<B, A> Body for ResponseBody<B, A>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    A: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().source.project() {
            SourceProj::Inner { body } => body.poll_frame(cx).map_err(Into::into),
            SourceProj::Answer { body } => body.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Inner { body } => body.is_end_stream(),
            Source::Answer { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Inner { body } => body.size_hint(),
            Source::Answer { body } => body.size_hint(),
        }
    }
}

/// Chooses the body type of a session layer's responses. Each is either a response of the inner
/// service, with body `B`, or the answer to a session's error, with body `A`.
///
/// Implemented for the error type of the body `B`:
///
/// * `axum_core::Error`, with the feature `axum-08`: the body is axum's `Body`. A response that
///   already has this body passes through unchanged.
/// * [`Infallible`], [`io::Error`] and boxed errors, which `http-body-util` and `tower-http` use:
///   the body is a [`ResponseBody`].
///
/// The layer can therefore wrap every layer of `tower-http`. A body with another error type must be
/// converted inside the session layer, for example with `MapResponseBodyLayer` of `tower-http`.
#[diagnostic::on_unimplemented(
    message = "a session layer cannot answer in place of a response whose body fails with `{Self}`",
    note = "convert the body inside the session layer, for example with \
            `MapResponseBodyLayer::new(axum::body::Body::new)` of tower-http, or box its error"
)]
pub trait AnswerBody<B, A> {
    /// The body type of the layer's responses.
    type Body;

    /// Returns the body of the inner service's response.
    fn inner(body: B) -> Self::Body;

    /// Returns the body of the answer to a session's error.
    fn answer(body: A) -> Self::Body;
}

macro_rules! answer_in_a_response_body {
    ($($error:ty),*) => {$(
        impl<B, A> AnswerBody<B, A> for $error {
            type Body = ResponseBody<B, A>;

            fn inner(body: B) -> Self::Body {
                let source = Source::Inner { body };
                ResponseBody { source }
            }

            fn answer(body: A) -> Self::Body {
                let source = Source::Answer { body };
                ResponseBody { source }
            }
        }
    )*};
}

answer_in_a_response_body!(Infallible, io::Error, BoxError);

#[cfg(feature = "axum-08")]
impl<B, A> AnswerBody<B, A> for axum_core::Error
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    A: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = axum_core::body::Body;

    #[inline]
    fn inner(body: B) -> Self::Body {
        // Returns axum's own body unchanged, and boxes any other body.
        axum_core::body::Body::new(body)
    }

    fn answer(body: A) -> Self::Body {
        axum_core::body::Body::new(body)
    }
}
