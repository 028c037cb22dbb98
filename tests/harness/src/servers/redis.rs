use super::private::{CONNECTIONS, Recipe, free_port};
use super::program::{SBIN, find};

/// Returns how to run Redis or Valkey, or `None` if it is not installed.
pub(super) fn recipe(program: &str, account: &'static str) -> Option<Recipe> {
    Some(Recipe {
        prepare: ":",
        run: RUN,
        settings: "--appendonly no".to_owned(),
        is_killable: false,
        program: find(program, SBIN)?,
        account,
        stopped_by: "KILL",
        ready: READY,
        free_port,
    })
}

/// Returns the same for a server that acknowledges only what is on the disk.
pub(super) fn killable(program: &str, account: &'static str) -> Option<Recipe> {
    let settings = format!(
        "--appendonly yes --appendfsync always --maxclients {}",
        CONNECTIONS
    );
    let usual = recipe(program, account)?;
    Some(usual.killable(settings))
}

pub(super) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

const RUN: &str = r#"
exec "$PROGRAM" --port "$PORT" --bind 127.0.0.1 --save '' $SETTINGS
"#;

/// The same with TLS on the port.
pub(super) const RUN_TLS: &str = r#"
exec "$PROGRAM" --port 0 --tls-port "$PORT" --bind 127.0.0.1 --save '' $SETTINGS
"#;

pub(super) const READY: (&str, &str) = ("log", "Ready to accept connections");
