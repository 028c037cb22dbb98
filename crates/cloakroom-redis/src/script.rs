use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

use crate::connection::Connection;

/// A Lua script with its SHA-1.
///
/// The scripts of this crate access only the key that they are given, so they work in a Cluster.
/// They write only after the last step that can fail, so they never leave a partial change.
pub(crate) struct Script {
    code: String,
    sha: String,
}

impl Script {
    pub(crate) fn new(code: impl Into<String>) -> Self {
        let code = code.into();
        Self {
            sha: redis::Script::new(&code).get_hash().to_owned(),
            code,
        }
    }

    /// Runs the script on one key. Sends the SHA-1 of the script first, and its text only if the
    /// server does not have the script in its cache.
    pub(crate) async fn run(
        &self,
        on: &Connection,
        key: &[u8],
        arguments: &[&[u8]],
    ) -> RedisResult<Value> {
        let answer = on.ask(&call("EVALSHA", &self.sha, key, arguments)).await;
        match answer {
            // The server does not have the script, so it has not run anything.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                on.ask(&call("EVAL", &self.code, key, arguments)).await
            }
            answer => answer,
        }
    }
}

fn call(command: &str, script: &str, key: &[u8], arguments: &[&[u8]]) -> Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(1).arg(key).arg(arguments);
    call
}
