use super::private::{CONNECTIONS, Recipe, free_port};
use super::program::{SBIN, find};

/// Returns how to run MariaDB, or `None` if it is not installed.
pub(super) fn recipe() -> Option<Recipe> {
    find("mariadb-install-db", &[])?;
    let program = find("mariadbd", SBIN).or_else(|| find("mysqld", SBIN))?;
    Some(Recipe {
        prepare: PREPARE,
        run: RUN,
        // A commit waits until the kernel has its log record, but does not wait for the disk. So
        // commits are lost only if the power fails.
        settings: "--max-connections=200 --innodb-flush-log-at-trx-commit=2".to_owned(),
        is_killable: false,
        program,
        account: "mysql",
        stopped_by: "KILL",
        ready: READY,
        free_port,
    })
}

/// Returns how to run a MariaDB that acknowledges a write only when the write is on disk.
pub(super) fn killable() -> Option<Recipe> {
    let settings = format!(
        "--max-connections={} --innodb-flush-log-at-trx-commit=1",
        CONNECTIONS
    );
    Some(recipe()?.killable(settings))
}

pub(super) fn url(port: u16) -> String {
    format!("mysql://root@127.0.0.1:{port}/cloakroom")
}

const PREPARE: &str = r#"
mariadb-install-db --no-defaults --datadir="$PWD/data" \
    --auth-root-authentication-method=normal --skip-test-db \
    --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=0 &&
echo 'CREATE DATABASE IF NOT EXISTS cloakroom;' >init.sql
"#;

/// The character set and collation are those of Debian's configuration.
const RUN: &str = r#"
exec "$PROGRAM" --no-defaults --datadir="$PWD/data" --port="$PORT" \
    --bind-address=127.0.0.1 \
    --socket=socket \
    --init-file="$PWD/init.sql" \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=8M \
    $SETTINGS
"#;

pub(super) const READY: (&str, &str) = ("log", "ready for connections");
