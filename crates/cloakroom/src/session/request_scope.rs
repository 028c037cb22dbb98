use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::backend::CallLimit;

/// What the store calls and commits of one request share.
#[derive(Debug)]
pub(super) struct RequestScope {
    /// Limits the store calls until the handler is done.
    pub(super) call_limit: Arc<CallLimit>,
    /// The address of the client, if the site has set it.
    pub(super) client: OnceLock<IpAddr>,
}

impl RequestScope {
    pub(super) fn new(call_limit: Arc<CallLimit>) -> Self {
        Self {
            call_limit,
            client: OnceLock::new(),
        }
    }
}
