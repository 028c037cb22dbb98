use std::fmt;
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result};
use cloakroom_tls::{Driver, Encryption, Verification};
use tokio::task::AbortHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{Cause, ConnectError};
use crate::session::{
    Scope, Session, begin_sql, has_foreign_statements, process_id, set_for_connection,
};

/// The server and the database that a URL names, and how to connect to them.
///
/// Logs and errors show only [`place`](Self::place), which contains neither user nor password.
pub(crate) struct Target {
    config: Config,
    #[cfg(feature = "tls")]
    tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
    statements: StatementNames,
    /// The settings from the URL's parameter `options`, which each transaction applies. Empty with
    /// `statements=named`: then the driver sends `options` when it connects.
    options: Vec<(String, String)>,
    /// The hosts, the ports and the database.
    pub(crate) place: String,
}

/// The value of the parameter `statements` in the URL, which decides whether the server prepares
/// statements under names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StatementNames {
    Unnamed,
    Named,
}

impl StatementNames {
    fn parse(parameter: Option<&str>) -> Result<Self> {
        match parameter {
            None | Some("unnamed") => Ok(Self::Unnamed),
            Some("named") => Ok(Self::Named),
            Some(_) => Err(bad_url("`statements` must be `unnamed` or `named`")),
        }
    }
}

impl Target {
    /// Parses a URL. Logs a warning if the URL names a server on another machine and neither
    /// requires nor disables encryption.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let known_scheme = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        if !known_scheme {
            return Err(bad_url("it does not start with `postgres://`"));
        }
        let (url, encryption) = DRIVER.split_off(url)?;
        let (url, statements) = without_parameter(&url, "statements");
        let statements = StatementNames::parse(statements.as_deref())?;
        let mut config = parse_config(&url)?;
        let mut options = Vec::new();
        if let (StatementNames::Unnamed, Some(text)) = (statements, config.get_options()) {
            // Apply these settings in each transaction: a pooler refuses or ignores them at the
            // start of a connection.
            options = parse_options(text)?;
            config = parse_config(&without_parameter(&url, "options").0)?;
        }
        // A `@` in a host means that the host also contains a part of the user or the password.
        let has_at_sign = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(has_at_sign) {
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
        // With the driver's defaults, the store could take hours to notice that a server has
        // disappeared.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_TIMEOUT);
        }
        if config.get_keepalives_idle() == DEFAULT_KEEPALIVES_IDLE {
            config.keepalives_idle(KEEPALIVES_IDLE);
            config.keepalives_interval(TCP_TIMEOUT);
            config.keepalives_retries(KEEPALIVES_RETRIES);
        }

        let verification = verification(&mut config, &encryption)?;
        let place = place(&config);
        encryption.warn_if_plain(&place, hosts(&config).iter().map(String::as_str));
        #[cfg(feature = "tls")]
        let tls = match verification {
            Some(verification) => Some(tokio_postgres_rustls::MakeRustlsConnect::new(
                verification.client_config()?,
            )),
            None => None,
        };
        #[cfg(not(feature = "tls"))]
        debug_assert!(
            verification.is_none(),
            "a URL that asks for TLS is refused without the feature `tls`"
        );
        Ok(Self {
            config,
            #[cfg(feature = "tls")]
            tls,
            statements,
            options,
            place,
        })
    }

    /// Opens the first connection of a store.
    ///
    /// With `statements=named`, also tries to find out whether a pooler shares the server's
    /// connections among clients. To do so, opens two connections and closes them again.
    pub(crate) async fn connect_first(&self) -> Result<Session, ConnectError> {
        if self.statements == StatementNames::Named && self.is_shared().await? {
            return Err(ConnectError::shared(&self.place));
        }
        self.connect().await
    }

    /// Opens a connection and spawns a task that drives it. The task ends when the client is
    /// dropped or the connection is lost.
    pub(crate) async fn connect(&self) -> Result<Session, ConnectError> {
        self.within_limit(self.open_session()).await
    }

    /// Returns whether a pooler shares the server's connections among clients. That is the case if
    /// one server process answers on two connections, or two processes answer on one connection.
    /// If the pooler is busy, this method may return `false` although the connections are shared.
    async fn is_shared(&self) -> Result<bool, ConnectError> {
        let refused = |error| ConnectError::refused(&self.place, &error);
        let ask_twice = async {
            let (one, _) = self.open().await.map_err(refused)?;
            let before = process_id(&one).await.map_err(refused)?;
            // If the server has no second free connection, there is no second process to compare
            // with. Assume that no pooler shares the first connection.
            let Ok((other, _)) = self.open().await else {
                return Ok(false);
            };
            let others = process_id(&other).await.map_err(refused)?;
            let after = process_id(&one).await.map_err(refused)?;
            Ok(before == others || before != after)
        };
        self.within_limit(ask_twice).await
    }

    async fn open_session(&self) -> Result<Session, ConnectError> {
        let refused = |error| ConnectError::refused(&self.place, &error);
        let (client, task) = self.open().await.map_err(refused)?;
        let scope = match self.statements {
            StatementNames::Unnamed => Scope::Transaction {
                begin: begin_sql(&client, &self.options).await.map_err(refused)?,
            },
            StatementNames::Named => {
                if has_foreign_statements(&client).await.map_err(refused)? {
                    return Err(ConnectError::shared(&self.place));
                }
                set_for_connection(&client).await.map_err(refused)?;
                Scope::Connection
            }
        };
        Ok(Session {
            client,
            task,
            scope,
        })
    }

    async fn within_limit<T>(
        &self,
        connecting: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let limit = self.connect_limit();
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::timed_out(&self.place, limit)),
        }
    }

    async fn open(&self) -> Result<(Client, AbortHandle), tokio_postgres::Error> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await?;
            return Ok((client, self.spawn(connection)));
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        Ok((client, self.spawn(connection)))
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

    /// Returns the time limit for connecting: `connect_timeout` for the socket to each host, plus
    /// `connect_timeout` for the handshake.
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

// Omits the parser's message, which can quote a part of the password.
fn parse_config(url: &str) -> Result<Config> {
    url.parse().map_err(|_| {
        bad_url(
            "it cannot be parsed; write postgres://user:password@host:port/database?option=value \
             and percent-encode every `@ : / ?` in user and password; the options are those of \
             tokio-postgres",
        )
    })
}

/// Removes every occurrence of a parameter from `url`. Returns the new URL, and the last removed
/// value, which is not percent-decoded.
fn without_parameter(url: &str, name: &str) -> (String, Option<String>) {
    let Some((before, parameters)) = url.rsplit_once('?') else {
        return (url.to_owned(), None);
    };
    let value_in =
        |parameter: &str| Some(parameter.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    let mut found = None;
    let mut others = Vec::new();
    for parameter in parameters.split('&') {
        match value_in(parameter) {
            Some(value) => found = Some(value),
            None => others.push(parameter),
        }
    }
    (format!("{before}?{}", others.join("&")), found)
}

/// Parses settings as PostgreSQL does: `-c name=value` or `--name=value`, separated by white space,
/// with a `\` before each character that is meant literally.
fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let word = words.last_mut().expect("there is a first word");
        match character {
            '\\' => word.extend(characters.next()),
            _ if character.is_ascii_whitespace() => words.push(String::new()),
            _ => word.push(character),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        let setting = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='));
        let (name, value) = setting.ok_or_else(|| {
            bad_url("`options` may contain only `-c name=value`, unless `statements=named` is set")
        })?;
        options.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(options)
}

/// Tells the driver whether to encrypt. If so, returns how the TLS library must verify the server,
/// because the driver leaves verification to that library.
fn verification<'a>(
    config: &mut Config,
    encryption: &'a Encryption,
) -> Result<Option<&'a Verification>> {
    if config.get_ssl_mode() != SslMode::Prefer {
        // The driver found an `sslmode` that `split_off` did not find: `split_off` takes the first
        // `?` for the start of the parameters, and here that `?` is in the user or the password.
        return Err(bad_url("write a `?` in user or password as %3F"));
    }
    let Encryption::On(verification) = encryption else {
        config.ssl_mode(SslMode::Disable);
        return Ok(None);
    };
    if config.get_hosts().iter().any(is_socket) {
        return Err(bad_url(
            "a Unix socket is never encrypted; leave `sslmode` and `sslrootcert` out",
        ));
    }
    config.ssl_mode(SslMode::Require);
    Ok(Some(verification))
}

fn is_socket(host: &Host) -> bool {
    !matches!(host, Host::Tcp(_))
}

/// Returns the names or addresses of the hosts that are reached through a network.
fn hosts(config: &Config) -> Vec<String> {
    let addresses = config.get_hostaddrs().iter().map(ToString::to_string);
    let names = config.get_hosts().iter().filter_map(|host| match host {
        Host::Tcp(name) => Some(name.clone()),
        #[cfg(unix)]
        Host::Unix(_) => None,
    });
    match config.get_hostaddrs().is_empty() {
        true => names.collect(),
        false => addresses.collect(),
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

const DRIVER: Driver = Driver {
    doing: "reading the URL of PostgreSQL",
    package: env!("CARGO_PKG_NAME"),
    has_tls: cfg!(feature = "tls"),
};

/// The default of the parameter `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long sent data may stay unacknowledged; also the interval between keepalive probes.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);

/// The driver's default for `keepalives_idle`. If the parsed URL has this value, the store assumes
/// that the URL does not set `keepalives_idle`.
const DEFAULT_KEEPALIVES_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);

const KEEPALIVES_RETRIES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_errors_nor_debug_output_show_the_password() {
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
    async fn calls_are_durable_and_read_committed_whatever_the_defaults_are() {
        let Some(server) = cloakroom_harness::servers::postgres() else {
            return;
        };
        let other_defaults = "options=-c%20synchronous_commit%3Doff\
                              %20-c%20default_transaction_isolation%3Dserializable";
        let separator = if server.url().contains('?') { '&' } else { '?' };
        for statements in ["unnamed", "named"] {
            let url = format!(
                "{}{separator}{other_defaults}&statements={statements}",
                server.url()
            );
            let target = Target::parse(&url).unwrap();
            let session = target.connect_first().await.unwrap();
            session.client.batch_execute(session.begin()).await.unwrap();

            let expected = [
                ("synchronous_commit", "on"),
                ("transaction_isolation", "read committed"),
                ("lock_timeout", "3s"),
                ("application_name", "cloakroom"),
            ];
            for (setting, expected) in expected {
                let show = format!("SHOW {setting}");
                let row = session.client.query_typed_one(&show, &[]).await.unwrap();
                assert_eq!(row.get::<_, &str>(0), expected, "{setting}, {statements}");
            }
        }
    }

    #[test]
    fn options_are_parsed_as_the_server_parses_them() {
        let parse = |text| parse_options(text).ok();
        let pairs = |pairs: &[(&str, &str)]| {
            let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
            Some(pairs.iter().map(owned).collect::<Vec<_>>())
        };
        assert_eq!(parse(""), pairs(&[]));
        assert_eq!(
            parse(" -c search_path=a,b\t-clock_timeout=1s --work-mem=4MB"),
            pairs(&[
                ("search_path", "a,b"),
                ("lock_timeout", "1s"),
                ("work_mem", "4MB")
            ])
        );
        assert_eq!(
            parse(r"-c search_path=one\ two\\,b=c"),
            pairs(&[("search_path", r"one two\,b=c")])
        );
        for bad in ["-c", "-c name", "--", "-d 5", "name=value", "-B 64"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn statements_have_names_only_if_the_url_asks_for_names() {
        let statements = |url| Target::parse(url).map(|target| target.statements);
        for (url, expected) in [
            ("postgres://db/library", StatementNames::Unnamed),
            (
                "postgres://db/library?statements=unnamed",
                StatementNames::Unnamed,
            ),
            (
                "postgres://db/library?statements=named",
                StatementNames::Named,
            ),
            (
                "postgres://db/library?connect_timeout=1&statements=named&options=-e",
                StatementNames::Named,
            ),
        ] {
            assert_eq!(statements(url).unwrap(), expected, "{url}");
        }
        let error = statements("postgres://db/library?statements=s3cret").unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading the URL of PostgreSQL: `statements` must be `unnamed` or `named`"
        );
    }

    #[test]
    fn the_sslmode_of_the_url_decides_whether_the_driver_encrypts() {
        let mode = |url: &str| Target::parse(url).unwrap().config.get_ssl_mode();

        assert_eq!(mode("postgres://localhost/db"), SslMode::Disable);
        let url = "postgres://db.example/db?sslmode=disable";
        assert_eq!(mode(url), SslMode::Disable);
        for encrypted in ["require", "verify-ca", "verify-full"] {
            let url = format!("postgres://db.example/db?sslmode={encrypted}");
            assert_eq!(mode(&url), SslMode::Require, "{encrypted}");
        }
        for (bad, why) in [
            (
                "db.example/db?sslmode=prefer",
                "`sslmode=prefer`, which an attacker",
            ),
            (
                "%2Frun%2Fpostgresql/db?sslmode=verify-full",
                "a Unix socket is never encrypted",
            ),
            (
                "ada:s3cret?@h/db?sslmode=require",
                "write a `?` in user or password as %3F",
            ),
        ] {
            let error = Target::parse(&format!("postgres://{bad}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(why), "{error}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn a_warning_is_logged_only_for_a_remote_server_without_an_explicit_sslmode() {
        let warnings = |url| cloakroom_harness::tls::warnings(|| drop(Target::parse(url).unwrap()));
        for url in [
            "postgres://db.example/db",
            "postgres://localhost,db.example/db",
            "postgres://localhost/db?hostaddr=10.0.0.7",
        ] {
            assert_eq!(warnings(url), 1, "{url}");
        }
        for url in [
            "postgres://localhost/db",
            "postgres://[::1]/db",
            "postgres://%2Frun%2Fpostgresql/db",
            "postgres://db.example/db?hostaddr=127.0.0.1",
            "postgres://db.example/db?sslmode=disable",
            "postgres://db.example/db?sslmode=verify-full",
        ] {
            assert_eq!(warnings(url), 0, "{url}");
        }
    }
}
