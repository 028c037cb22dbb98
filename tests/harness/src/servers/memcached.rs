use super::private::{CONNECTIONS, Recipe, free_port};
use super::program::{SBIN, find};

/// Returns how to run memcached, or `None` if it is not installed.
pub(super) fn recipe() -> Option<Recipe> {
    Some(Recipe {
        prepare: ":",
        run: RUN,
        settings: String::new(),
        is_killable: false,
        program: find("memcached", SBIN)?,
        account: "memcache",
        stopped_by: "KILL",
        ready: READY,
        free_port,
    })
}

/// Returns how to run a memcached that can be killed and started again, and that accepts few
/// connections.
pub(super) fn killable() -> Option<Recipe> {
    let settings = format!("--conn-limit={}", CONNECTIONS);
    Some(recipe()?.killable(settings))
}

pub(super) fn url(port: u16) -> String {
    format!("memcached://127.0.0.1:{port}")
}

const RUN: &str = r#"
MEMCACHED_PORT_FILENAME="$PWD/port" exec "$PROGRAM" --listen=127.0.0.1 --port="$PORT" \
    --udp-port=0 --memory-limit=64 $SETTINGS
"#;

pub(super) const READY: (&str, &str) = ("port", "TCP INET: ");
