use std::future::Future;
use std::time::Duration;

use cloakroom::Result;

use crate::client::{Fault, Server};
use crate::error;

/// Runs `work` and fails if it takes longer than `limit`.
///
/// If `work` exceeds the limit, or if the future is dropped, the connection that `work` uses is
/// closed. The server may or may not have carried out the last command of `work`.
pub(crate) async fn within<T>(
    limit: Duration,
    doing: &str,
    server: &Server,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|fault| error::failed(doing, server.address(), fault)),
        Err(_) => Err(error::too_slow(doing, server.address(), limit)),
    }
}
