use std::fs;
use std::path::{Path, PathBuf};

use super::private::{CONNECTIONS, Recipe, free_port};
use super::program::folders;

/// Returns how to run PostgreSQL, or `None` if it is not installed.
pub(super) fn recipe() -> Option<Recipe> {
    Some(Recipe {
        prepare: PREPARE,
        run: RUN,
        // A write that has reached the kernel survives a killed server, and no test cuts the power.
        // So the server need not wait for the disk.
        settings: "-c max_connections=200 -c fsync=off".to_owned(),
        is_killable: false,
        program: program()?,
        account: "postgres",
        // TERM ends the commands of `PREPARE`. QUIT is PostgreSQL's immediate shutdown. KILL is not
        // used, because PostgreSQL would leave a segment of shared memory behind.
        stopped_by: "TERM QUIT",
        ready: READY,
        free_port,
    })
}

/// Returns how to run a PostgreSQL that acknowledges a write only when the write is on disk.
pub(super) fn killable() -> Option<Recipe> {
    let mut settings = format!("-c max_connections={} -c fsync=on", CONNECTIONS);
    // By default, PostgreSQL syncs about a thousand files one by one after a crash. One `syncfs` is
    // faster.
    if cfg!(target_os = "linux") {
        settings += " -c recovery_init_sync_method=syncfs";
    }
    Some(recipe()?.killable(settings))
}

pub(super) fn url(port: u16) -> String {
    format!("postgres://cloakroom@127.0.0.1:{port}/cloakroom")
}

/// Returns the path of a `postgres` program with `initdb` in the same folder. Prefers a folder on
/// `PATH` to Debian's folders, and among Debian's folders the one with the newest version.
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

const PREPARE: &str = r#"
"${PROGRAM%/*}/initdb" --pgdata=data --username=cloakroom --auth=trust \
    --encoding=UTF8 --locale=C --no-sync &&
echo 'CREATE DATABASE cloakroom' | "$PROGRAM" --single -D data -c fsync=off postgres
"#;

const RUN: &str = r#"
exec "$PROGRAM" -D data -p "$PORT" \
    -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= \
    -c shared_buffers=32MB \
    -c dynamic_shared_memory_type=mmap \
    $SETTINGS
"#;

pub(super) const READY: (&str, &str) = ("log", "database system is ready to accept connections");

const DEBIAN: &str = "/usr/lib/postgresql";
