use super::Server;
use super::private::{Recipe, free_port};
use super::program::{SBIN, find};

/// Starts a MariaDB, if it is installed.
pub(super) fn start() -> Option<Server> {
    find("mariadb-install-db", &[])?;
    let program = find("mariadbd", SBIN).or_else(|| find("mysqld", SBIN))?;
    let private = Recipe {
        script: SCRIPT,
        program,
        account: "mysql",
        stopped_by: "KILL",
        ready: ("log", "ready for connections"),
        free_port,
    }
    .start();
    let url = format!("mysql://root@127.0.0.1:{}/cloakroom", private.port);
    Some(Server::private(url, vec![private]))
}

/// The character set is the one that Debian's configuration gives. A commit reaches the kernel but not the disk, because
/// these tests pull no plug.
const SCRIPT: &str = r#"
mariadb-install-db --no-defaults --datadir="$PWD/data" --auth-root-authentication-method=normal --skip-test-db \
    --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=0 &&
echo 'CREATE DATABASE cloakroom;' >init.sql &&
exec "$PROGRAM" --no-defaults --datadir="$PWD/data" --port="$PORT" \
    --bind-address=127.0.0.1 \
    --socket=socket \
    --init-file="$PWD/init.sql" \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
    --max-connections=200 \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=8M \
    --innodb-flush-log-at-trx-commit=2
"#;
