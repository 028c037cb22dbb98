//! Accepts connections, serves them with time limits, and closes them gracefully.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    routing::future::RouteFuture,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;
use tower::Service;

use crate::{config::Limits, shutdown};

/// The pause after a failed attempt to accept a connection, for example because the process has too
/// many open files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves `router` until `stop` completes. Then accepts no new connections, closes the idle ones,
/// and finishes the requests in progress, for at most [`shutdown::GRACE`].
///
/// Closes a connection if the headers of a request do not arrive in time, or if the client reads
/// nothing of a response for too long. Dropping this future closes all connections at once.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.headers);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, address) = tokio::select! {
            () = &mut stop => break,
            // Removes finished connections, or the set would grow without bound.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let router = router.clone();
        let service = service_fn(move |request| answer(&router, address, request));
        let stream = TokioIo::new(limited(stream, limits.write));
        let connection = graceful.watch(http.serve_connection(stream, service));
        connections.spawn(async move {
            if let Err(error) = connection.await {
                // The client hung up or does not speak HTTP. The site can't do anything about it.
                tracing::debug!("serving a connection: {error}");
            }
        });
    }
    drop(listener);
    let finished = tokio::time::timeout(shutdown::GRACE, graceful.shutdown()).await;
    if finished.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// Wraps `stream` so that a write fails if it makes no progress within `limit`.
fn limited(stream: TcpStream, limit: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    Box::pin(stream)
}

/// Passes a request to `router`, with the address of the client in its extensions.
fn answer(
    router: &Router,
    address: SocketAddr,
    request: Request<Incoming>,
) -> RouteFuture<Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(address));
    router.clone().call(request)
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if affects_one_connection(&error) => {}
            Err(error) => {
                tracing::error!("accepting a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Returns whether `error` affects only the connection that was about to be accepted, so that the
/// next one can be accepted at once.
fn affects_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
