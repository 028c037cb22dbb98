use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Instant;

use super::postgres::{recipe, url};
use super::private::{POLL, Private, Recipe, START_LIMIT};

/// A PostgreSQL with a hot standby, for one test. Both servers stop when this value is dropped.
pub(super) struct PostgresReplicas {
    /// The folder of PostgreSQL's programs.
    programs: PathBuf,
    primary: Private,
    standby: Private,
}

impl PostgresReplicas {
    /// Starts both servers, and waits until the standby has the data of the primary. Returns `None`
    /// if PostgreSQL or one of its clients is not installed.
    pub(super) fn start() -> Option<Self> {
        // `postgres` may be a link to a program in another folder. The clients are in that folder.
        let program = fs::canonicalize(recipe()?.program).ok()?;
        let programs = program.parent()?.to_owned();
        if !CLIENTS.iter().all(|name| programs.join(name).is_file()) {
            return None;
        }
        // `swap_roles` stops a server and starts it again, so the servers are killable. PostgreSQL
        // allows standbys by default, so there are no further settings.
        let restartable = || {
            let usual = recipe()?;
            let settings = usual.settings.clone();
            Some(Recipe {
                program: program.clone(),
                ..usual.killable(settings)
            })
        };
        let primary = restartable()?.start();
        let prepare = PREPARE_STANDBY.replace("PRIMARY_PORT", &primary.port.to_string());
        let standby = Recipe {
            // Leaks a text for each standby. A process starts only a few.
            prepare: prepare.leak(),
            ready: STANDBY_READY,
            ..restartable()?
        };
        let servers = Self {
            programs,
            primary,
            standby: standby.start(),
        };
        // The primary uses this setting after it has become a standby. `pg_basebackup` has already
        // written the setting of the standby.
        let follow = format!(
            "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={} user=cloakroom'",
            servers.standby.port
        );
        servers.sql(&servers.primary, &follow);
        servers.wait_until(&servers.primary, IS_FOLLOWED);
        Some(servers)
    }

    /// Returns the URL of the primary. The user in the URL is a superuser, but a standby refuses
    /// the writes of a superuser, too.
    pub(super) fn primary(&self) -> String {
        url(self.primary.port)
    }

    /// Returns the URL of the standby, with the same user.
    pub(super) fn standby(&self) -> String {
        url(self.standby.port)
    }

    /// Returns the ports of the primary and of the standby.
    pub(super) fn ports(&self) -> (u16, u16) {
        (self.primary.port, self.standby.port)
    }

    /// Swaps the roles of the primary and the standby. No acknowledged write is lost.
    ///
    /// PostgreSQL cannot demote a running primary. So the primary is shut down and started again,
    /// which closes the connections of its clients.
    pub(super) fn swap_roles(&mut self) {
        // INT is PostgreSQL's fast shutdown. The primary ends after the standby has received
        // everything, if the standby is connected.
        let ended = self.primary.end_with("INT");
        ended.unwrap_or_else(|error| panic!("stopping the primary: {error}"));
        // If the standby lacked the last record, it could lack writes, too, and the old primary
        // could not follow it.
        let is_complete = format!(
            "SELECT pg_last_wal_replay_lsn() > '{}'",
            self.last_checkpoint(&self.primary)
        );
        self.wait_until(&self.standby, &is_complete);
        let promoted = self.sql(&self.standby, "SELECT pg_promote(true)");
        assert_eq!(promoted, "t", "the standby was not promoted in time");

        // With this file, PostgreSQL starts as a standby.
        let signal = self.primary.folder.join("data/standby.signal");
        let started = fs::write(signal, "").and_then(|()| self.primary.start_again(STANDBY_READY));
        started.unwrap_or_else(|error| panic!("starting the old primary again: {error}"));
        std::mem::swap(&mut self.primary, &mut self.standby);
        self.wait_until(&self.primary, IS_FOLLOWED);
    }

    /// Returns the log position of the last checkpoint of a server that was shut down. This
    /// checkpoint is the last record of the log.
    fn last_checkpoint(&self, server: &Private) -> String {
        let control = self.output(
            Command::new(self.programs.join("pg_controldata"))
                .arg(server.folder.join("data"))
                .env("LC_ALL", "C"),
        );
        assert!(
            control.contains("shut down\n"),
            "the primary was not shut down cleanly: {control}"
        );
        let mut lines = control.lines();
        let position = lines.find_map(|line| line.strip_prefix("Latest checkpoint location:"));
        let position = position.unwrap_or_else(|| panic!("no checkpoint: {control}"));
        position.trim().to_owned()
    }

    /// Waits until the query `question` returns true.
    fn wait_until(&self, server: &Private, question: &str) {
        let deadline = Instant::now() + START_LIMIT;
        while self.sql(server, question) != "t" {
            assert!(
                Instant::now() < deadline,
                "not true within {START_LIMIT:?}: {question}"
            );
            thread::sleep(POLL);
        }
    }

    fn sql(&self, server: &Private, sql: &str) -> String {
        self.output(
            Command::new(self.programs.join("psql"))
                .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
                .args(["--command", sql, &url(server.port)]),
        )
    }

    fn output(&self, command: &mut Command) -> String {
        let output = command.output();
        let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// The programs that this file runs, in the folder of `postgres`.
const CLIENTS: [&str; 3] = ["psql", "pg_basebackup", "pg_controldata"];

/// Copies the data of the primary, and configures the copy as a standby of the primary.
const PREPARE_STANDBY: &str = r#"
"${PROGRAM%/*}/pg_basebackup" --pgdata=data --wal-method=stream --checkpoint=fast --no-sync \
    --write-recovery-conf --host=127.0.0.1 --port=PRIMARY_PORT --username=cloakroom
"#;

/// PostgreSQL 13 and older write `read only`, later versions `read-only`.
const STANDBY_READY: (&str, &str) = ("log", "database system is ready to accept read");

/// A query that returns whether a standby is connected to the server and has caught up.
const IS_FOLLOWED: &str =
    "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming')";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::kind::Kind;

    #[test]
    fn a_standby_has_the_writes_of_its_primary_and_refuses_others_after_each_swap() {
        let servers = Kind::Postgres.start_unless_excluded(PostgresReplicas::start);
        let Some(mut servers) = servers else {
            return;
        };
        servers.sql(&servers.primary, "CREATE TABLE swaps (swap int)");

        for swap in 0..3 {
            let (primary, standby) = (servers.primary(), servers.standby());
            let insert = format!("INSERT INTO swaps VALUES ({swap})");
            servers.sql(&servers.primary, &insert);

            servers.swap_roles();

            assert_eq!((servers.primary(), servers.standby()), (standby, primary));
            let has_all = format!("SELECT count(*) = {swap} + 1 FROM swaps");
            assert_eq!(servers.sql(&servers.primary, &has_all), "t");
            servers.wait_until(&servers.standby, &has_all);
            let refused = "DO $$ BEGIN
                DELETE FROM swaps;
                RAISE 'the standby has accepted a write';
                EXCEPTION WHEN read_only_sql_transaction THEN NULL;
            END $$";
            servers.sql(&servers.standby, refused);
        }
    }
}
