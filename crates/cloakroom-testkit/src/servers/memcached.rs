use super::Server;
use super::private::{Recipe, free_port};
use super::program::{SBIN, find};

/// Starts a memcached, if it is installed.
pub(super) fn start() -> Option<Server> {
    let private = Recipe {
        script: SCRIPT,
        program: find("memcached", SBIN)?,
        account: "memcache",
        stopped_by: "KILL",
        ready: ("port", "TCP INET: "),
        free_port,
    }
    .start();
    let url = format!("memcached://127.0.0.1:{}", private.port);
    Some(Server::private(url, vec![private]))
}

const SCRIPT: &str = r#"
MEMCACHED_PORT_FILENAME="$PWD/port" exec "$PROGRAM" --listen=127.0.0.1 --port="$PORT" --udp-port=0 --memory-limit=64
"#;
