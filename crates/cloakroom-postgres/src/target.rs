use std::fmt;
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result};
use tokio::task::AbortHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{Cause, ConnectError};

/// The server and the database that a URL names, and how to connect to them.
///
/// Logs and errors show only [`place`](Self::place), which contains neither user nor password.
pub(crate) struct Target {
    config: Config,
    #[cfg(feature = "tls-rustls")]
    tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
    /// Hosts, ports and database.
    pub(crate) place: String,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let known_scheme = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        if !known_scheme {
            return Err(bad_url("it does not start with `postgres://`"));
        }
        // The parser's message is dropped: it can quote a part of the password.
        let mut config: Config = with_driver_sslmode(url).parse().map_err(|_| {
            bad_url(
                "it cannot be parsed; write postgres://user:password@host:port/database?option=value \
                 and percent-encode every `@ : / ?` in user and password; the options are those of \
                 tokio-postgres",
            )
        })?;
        let names_a_password = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(names_a_password) {
            return Err(bad_url("write a `@` in user or password as %40"));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad_url("it names no host"));
        }

        if config.get_application_name().is_none() {
            config.application_name("cloakroom");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        // The defaults would take hours to notice that a server disappeared.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_TIMEOUT);
        }
        if config.get_keepalives_idle() == DEFAULT_KEEPALIVES_IDLE {
            config.keepalives_idle(KEEPALIVES_IDLE);
            config.keepalives_interval(TCP_TIMEOUT);
            config.keepalives_retries(KEEPALIVES_RETRIES);
        }

        Ok(Self {
            place: place(&config),
            #[cfg(feature = "tls-rustls")]
            tls: match config.get_ssl_mode() {
                SslMode::Require => Some(crate::tls::verifying()?),
                _ => None,
            },
            config: with_tls_required_or_disabled(config)?,
        })
    }

    /// Opens a connection. Its task ends when the client is dropped or the connection is lost.
    pub(crate) async fn connect(&self) -> Result<(Client, AbortHandle), ConnectError> {
        let limit = self.connect_limit();
        match tokio::time::timeout(limit, self.open()).await {
            Ok(opened) => opened.map_err(|error| ConnectError::refused(&self.place, &error)),
            Err(_) => Err(ConnectError::timed_out(&self.place, limit)),
        }
    }

    async fn open(&self) -> Result<(Client, AbortHandle), tokio_postgres::Error> {
        #[cfg(feature = "tls-rustls")]
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await?;
            let task = self.spawn(connection);
            client.batch_execute(SETTINGS).await?;
            return Ok((client, task));
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        let task = self.spawn(connection);
        client.batch_execute(SETTINGS).await?;
        Ok((client, task))
    }

    /// Spawns the task that drives the connection.
    fn spawn(
        &self,
        connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    ) -> AbortHandle {
        let place = self.place.clone();
        let driving = async move {
            if let Err(error) = connection.await {
                let error = Cause::from(&error);
                tracing::warn!(%place, %error, "a connection to PostgreSQL was lost");
            }
        };
        tokio::spawn(driving).abort_handle()
    }

    /// The time limit for connecting: `connect_timeout` for the socket to each host, and once more
    /// for the handshake.
    fn connect_limit(&self) -> Duration {
        let per_host = self.config.get_connect_timeout();
        let hosts = self
            .config
            .get_hosts()
            .len()
            .max(self.config.get_hostaddrs().len());
        let steps = u32::try_from(hosts + 1).unwrap_or(u32::MAX);
        per_host.map_or(CONNECT_TIMEOUT, |each| each.saturating_mul(steps))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// Replaces `sslmode=verify-full`, which the driver does not parse, by `require`. The driver
/// leaves verification to the TLS library, and ours always verifies.
fn with_driver_sslmode(url: &str) -> String {
    match url.rsplit_once('?') {
        Some((before, options)) => {
            let options = options.replace("sslmode=verify-full", "sslmode=require");
            format!("{before}?{options}")
        }
        None => url.to_owned(),
    }
}

/// Turns `sslmode=prefer` into `disable`: an attacker on the network could make `prefer` fall back
/// to plain text, so it would give no protection.
fn with_tls_required_or_disabled(mut config: Config) -> Result<Config> {
    match config.get_ssl_mode() {
        SslMode::Require if cfg!(not(feature = "tls-rustls")) => Err(bad_url(
            "`sslmode=require` needs the feature `tls-rustls` of cloakroom-postgres",
        )),
        SslMode::Require => Ok(config),
        _ => {
            config.ssl_mode(SslMode::Disable);
            Ok(config)
        }
    }
}

fn place(config: &Config) -> String {
    let port = |n: usize| {
        let ports = config.get_ports();
        ports
            .get(n)
            .or_else(|| ports.first())
            .copied()
            .unwrap_or(5432)
    };
    let named = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(folder) => folder.display().to_string(),
    });
    let hosts: Vec<String> = match config.get_hosts() {
        [] => config
            .get_hostaddrs()
            .iter()
            .map(ToString::to_string)
            .collect(),
        _ => named.collect(),
    };
    let hosts: Vec<String> = (0..)
        .zip(hosts)
        .map(|(n, host)| format!("{host}:{}", port(n)))
        .collect();
    match config.get_dbname() {
        Some(database) => format!("{}/{database}", hosts.join(",")),
        None => hosts.join(","),
    }
}

fn bad_url(why: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("reading the URL of PostgreSQL: {why}"),
    )
}

// * `synchronous_commit`: an acknowledged save must be on the disk, whatever the database's default
//   is. `local`, `remote_write` and `remote_apply` also wait for the disk and are kept.
// * `default_transaction_isolation`: a save must see what others have just committed. The stricter
//   levels would fail instead.
// * `lock_timeout`: a statement that waits for a lock delays all later ones on its connection, so
//   it must not wait forever.
const SETTINGS: &str = "
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off';
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('lock_timeout', '3s', false) WHERE current_setting('lock_timeout') = '0'";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long sent data may stay unacknowledged, and the interval between keepalive probes.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);

const DEFAULT_KEEPALIVES_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);

const KEEPALIVES_RETRIES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_errors_nor_debug_show_the_password() {
        let urls = [
            "postgres://ada:s3cret@localhost/db?sslmod=require",
            "postgres://ada:s3@s3cret@localhost/db",
            "postgres://ada:s3cret",
            "postgres://ada:s3cret@",
            "postgres://ada:x?s3cret=1@localhost/db?s3cret=1",
            "postgres://localhost/db?password=s3cret&s3cret",
            "mysql://ada:s3cret@localhost/db",
            "ada:s3cret@localhost/db",
        ];
        for url in urls {
            let error = Target::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!format!("{error:#} {error:?}").contains("s3cret"), "{url}");
        }
        let good = [
            "postgres://ada:s3cret@localhost/db",
            "postgresql://ada@localhost/db?password=s3cret",
        ];
        for url in good {
            assert_eq!(
                format!("{:?}", Target::parse(url).unwrap()),
                "localhost:5432/db"
            );
        }
    }

    #[test]
    fn the_place_names_every_host() {
        let target = Target::parse("postgres://one:1,two,[::1]:3/db").unwrap();
        assert_eq!(target.place, "one:1,two:5432,::1:3/db");
        assert_eq!(target.connect_limit(), 4 * CONNECT_TIMEOUT);
    }

    #[test]
    fn a_host_may_be_the_folder_of_a_unix_socket() {
        let target = Target::parse("postgres://%2Frun%2Fpostgresql/db").unwrap();
        assert_eq!(target.place, "/run/postgresql:5432/db");
    }

    #[tokio::test]
    async fn connections_are_durable_and_read_committed_whatever_the_default_is() {
        let Some(server) = cloakroom_harness::servers::postgres() else {
            return;
        };
        let other_defaults = "options=-c%20synchronous_commit%3Doff\
                              %20-c%20default_transaction_isolation%3Dserializable";
        let separator = if server.url().contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}{other_defaults}", server.url());
        let target = Target::parse(&url).unwrap();
        let (client, _) = target.connect().await.unwrap();

        let expected = [
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
            ("lock_timeout", "3s"),
            ("application_name", "cloakroom"),
        ];
        for (setting, expected) in expected {
            let row = client.query_one(&format!("SHOW {setting}"), &[]).await;
            assert_eq!(row.unwrap().get::<_, &str>(0), expected, "{setting}");
        }
    }

    #[cfg(not(feature = "tls-rustls"))]
    #[test]
    fn without_the_feature_tls_a_url_that_requires_it_is_refused() {
        for mode in ["require", "verify-full"] {
            let error =
                Target::parse(&format!("postgres://localhost/db?sslmode={mode}")).unwrap_err();
            assert_eq!(
                error.to_string(),
                "reading the URL of PostgreSQL: `sslmode=require` needs the feature \
                 `tls-rustls` of cloakroom-postgres"
            );
        }
    }
}
