use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

use crate::connection::Connection;

/// A script, and the SHA-1 that servers know it by.
///
/// The scripts of this crate touch no key but the one that they are given, so they run in a Cluster, and write after
/// the last thing that can fail, so there is no half of them.
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

    /// Runs the script on one key: by its SHA-1, or with its text if the server has not seen it or has forgotten it.
    pub(crate) async fn run(
        &self,
        on: &Connection,
        key: &[u8],
        arguments: &[&[u8]],
    ) -> RedisResult<Value> {
        let answer = on.ask(&call("EVALSHA", &self.sha, key, arguments)).await;
        match answer {
            // The server has looked for the script and not at the key, so nothing has been done yet.
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
