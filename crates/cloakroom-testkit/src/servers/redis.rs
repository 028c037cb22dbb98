use super::Server;
use super::private::{Recipe, free_port};
use super::program::{SBIN, find};

/// Starts a Redis or a Valkey, if it is installed.
pub(super) fn start(program: &str, account: &'static str) -> Option<Server> {
    let private = Recipe {
        script: SCRIPT,
        program: find(program, SBIN)?,
        account,
        stopped_by: "KILL",
        ready: ("log", "Ready to accept connections"),
        free_port,
    }
    .start();
    let url = format!("redis://127.0.0.1:{}", private.port);
    Some(Server::private(url, vec![private]))
}

const SCRIPT: &str = r#"
exec "$PROGRAM" --port "$PORT" --bind 127.0.0.1 --save '' --appendonly no
"#;
