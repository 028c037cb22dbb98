use std::fs;
use std::path::{Path, PathBuf};

use super::Server;
use super::private::{Recipe, free_port};
use super::program::folders;

/// Starts a PostgreSQL, if it is installed.
pub(super) fn start() -> Option<Server> {
    let program = program()?;
    let private = Recipe {
        script: SCRIPT,
        program,
        account: "postgres",
        // TERM ends the script before the server has started, QUIT is PostgreSQL's immediate shutdown. KILL would
        // leave a segment of shared memory behind at each run.
        stopped_by: "TERM QUIT",
        ready: ("log", "database system is ready to accept connections"),
        free_port,
    }
    .start();
    let url = format!("postgres://cloakroom@127.0.0.1:{}/cloakroom", private.port);
    Some(Server::private(url, vec![private]))
}

/// A `postgres` with its `initdb` beside it: from `PATH`, or else the newest of Debian's.
fn program() -> Option<PathBuf> {
    let mut of_debian: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|version| {
            let version = version.ok()?;
            Some((
                version.file_name().to_str()?.parse().ok()?,
                version.path().join("bin"),
            ))
        })
        .collect();
    of_debian.sort();
    folders(&[])
        .chain(of_debian.into_iter().rev().map(|(_, folder)| folder))
        .find(|folder| is_complete(folder))
        .map(|folder| folder.join("postgres"))
}

fn is_complete(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

/// Without `fsync`, because these tests pull no plug: a server that is killed keeps what the kernel has.
const SCRIPT: &str = r#"
"${PROGRAM%/*}/initdb" --pgdata=data --username=cloakroom --auth=trust --encoding=UTF8 --locale=C --no-sync &&
echo 'CREATE DATABASE cloakroom' | "$PROGRAM" --single -D data -c fsync=off postgres &&
exec "$PROGRAM" -D data -p "$PORT" \
    -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= \
    -c fsync=off \
    -c max_connections=200 \
    -c shared_buffers=32MB \
    -c dynamic_shared_memory_type=mmap
"#;

const DEBIAN: &str = "/usr/lib/postgresql";
