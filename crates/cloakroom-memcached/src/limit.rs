use std::future::Future;
use std::time::Duration;

use cloakroom::Result;

use crate::client::{Fault, Server};
use crate::error;

/// Does `work` within the time limit. If time is up, or the caller drops this, the connection is closed, and what was
/// asked may have happened or not.
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
