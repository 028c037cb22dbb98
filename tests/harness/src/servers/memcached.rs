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

/// Returns how to run a memcached with little memory that evicts nothing.
pub(super) fn without_eviction() -> Option<Recipe> {
    Some(Recipe {
        settings: String::from(WITHOUT_EVICTION),
        ..recipe()?
    })
}

pub(super) fn url(port: u16) -> String {
    format!("memcached://127.0.0.1:{port}")
}

const RUN: &str = r#"
MEMCACHED_PORT_FILENAME="$PWD/port" exec "$PROGRAM" --listen=127.0.0.1 --port="$PORT" \
    --udp-port=0 --memory-limit=64 $SETTINGS
"#;

/// Without the last three options, threads of memcached keep memory of deleted items in use for a
/// moment, and move free memory to other sizes of items.
const WITHOUT_EVICTION: &str = "--disable-evictions --memory-limit=4 \
    --extended=no_lru_maintainer,no_lru_crawler,no_slab_reassign";

pub(super) const READY: (&str, &str) = ("port", "TCP INET: ");
