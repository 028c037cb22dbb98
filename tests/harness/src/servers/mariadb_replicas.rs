use std::path::PathBuf;
use std::process::Command;

use super::mariadb::recipe;
use super::private::{Private, Recipe};
use super::program::find;

/// A MariaDB with a replica, for one test. Both servers stop when this value is dropped.
pub(super) struct MariadbReplicas {
    client: PathBuf,
    primary: Private,
    replica: Private,
}

impl MariadbReplicas {
    /// Starts both servers. Returns `None` if MariaDB or its client is not installed.
    pub(super) fn start() -> Option<Self> {
        let client = find("mariadb", &[]).or_else(|| find("mysql", &[]))?;
        let with_id = |id: u8| {
            let usual = recipe()?;
            let binlog = "--log-bin=binlog --log-slave-updates";
            let settings = format!("{} {binlog} --server-id={id}", usual.settings);
            Some(Recipe { settings, ..usual }.start())
        };
        let servers = Self {
            client,
            primary: with_id(1)?,
            replica: with_id(2)?,
        };
        // `CREATE_USER` creates the user on each server, and then empties the server's binary log.
        // Otherwise the creation would be replicated to a server that already has the user.
        for server in [&servers.primary, &servers.replica] {
            servers.sql(server, CREATE_USER);
        }
        servers.sql(&servers.replica, "SET GLOBAL read_only = 1");
        servers.replicate("", &servers.primary, &servers.replica);
        Some(servers)
    }

    /// Returns the URL of the primary. The user in the URL may not write to a replica.
    pub(super) fn primary(&self) -> String {
        url(&self.primary)
    }

    /// Returns the URL of the replica, with the same user.
    pub(super) fn replica(&self) -> String {
        url(&self.replica)
    }

    /// Swaps the roles of the primary and the replica. No acknowledged write is lost, and the
    /// connections of clients stay open.
    pub(super) fn swap_roles(&mut self) {
        self.sql(&self.primary, "SET GLOBAL read_only = 1");
        let position = self.sql(&self.primary, "SELECT @@GLOBAL.gtid_binlog_pos");
        let position = position.trim();
        let waited = format!("SELECT MASTER_GTID_WAIT('{position}', {WAIT_SECS})");
        let waited = self.sql(&self.replica, &waited);
        assert_eq!(
            waited.trim(),
            "0",
            "the replica has not received everything"
        );
        self.sql(
            &self.replica,
            "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0",
        );
        self.replicate(position, &self.replica, &self.primary);
        std::mem::swap(&mut self.primary, &mut self.replica);
    }

    /// Makes `to` a replica of `from`. `position` is the position in the log of `from` up to which
    /// `to` already has all changes.
    fn replicate(&self, position: &str, from: &Private, to: &Private) {
        let port = from.port;
        let change = format!(
            "SET GLOBAL gtid_slave_pos = '{position}';
             CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port},
                 MASTER_USER = 'root', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos;
             START SLAVE"
        );
        self.sql(to, &change);
    }

    fn sql(&self, server: &Private, sql: &str) -> String {
        let output = Command::new(&self.client)
            .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
            .arg(format!("--port={}", server.port))
            .args([
                "--user=root",
                "--batch",
                "--skip-column-names",
                "--execute",
                sql,
            ])
            .output();
        let output = output.unwrap_or_else(|error| panic!("running the MariaDB client: {error}"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn url(server: &Private) -> String {
    format!("mysql://site:s3cret@127.0.0.1:{}/cloakroom", server.port)
}

const CREATE_USER: &str = "CREATE USER site IDENTIFIED BY 's3cret';
    GRANT ALL ON cloakroom.* TO site;
    RESET MASTER";

const WAIT_SECS: u32 = 60;
