use std::time::Duration;

use cloakroom::{ErrorKind, Result};
use mysql_async::{Conn, Opts};
use tokio::time::{sleep, timeout};

use crate::address::Address;
use crate::error::{connecting, too_slow};

// The settings on which the statements rely. An administrator may have changed their defaults. The
// time zone is not among these settings, because no statement reads the server's clock.
//
// `wait_timeout` is longer than `MAX_IDLE`, after which the pool no longer uses an idle connection.
// So the server closes no connection that the pool would use again. If this machine disappears
// during a sweep, the server releases the locks of the sweep after `wait_timeout`.
const SETTINGS: &str = "SET SESSION
    autocommit = 1,
    sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
    innodb_lock_wait_timeout = 1,
    lock_wait_timeout = 1,
    wait_timeout = 600";

const CHARACTERS: &str = "SET NAMES utf8mb4";

// READ COMMITTED has no gap locks, so calls for different web sessions never wait for each other.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// Returns the driver's options for connections to `address`.
pub(crate) fn driver_options(address: &Address) -> Opts {
    let settings = [SETTINGS, CHARACTERS, ISOLATION].map(String::from);
    address
        .login()
        // Count every row that an UPDATE found, even if the UPDATE did not change its values.
        .client_found_rows(true)
        .init(settings.into())
        // Connect to the address in the URL, because error messages name that address. By default,
        // the driver would switch to the socket of a local server.
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE))
        .into()
}

/// Connects. If the server cannot be reached, tries again with growing pauses, up to
/// [`CONNECT_TRIES`] times in total.
pub(crate) async fn connect(address: &Address, driver_options: &Opts) -> Result<Conn> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..CONNECT_TRIES {
        match connect_once(address, driver_options).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                sleep(pause).await;
                pause *= 4;
            }
            answer => return answer,
        }
    }
    connect_once(address, driver_options).await
}

async fn connect_once(address: &Address, driver_options: &Opts) -> Result<Conn> {
    match timeout(CONNECT_TIMEOUT, open(driver_options)).await {
        Ok(answer) => answer.map_err(|cause| connecting(address, cause)),
        Err(_) => Err(too_slow(
            &format!("connecting to MySQL at {address}"),
            &format!(
                "no answer within {CONNECT_TIMEOUT:?}; check that the server runs and that no \
                 firewall blocks the connection"
            ),
        )),
    }
}

async fn open(driver_options: &Opts) -> mysql_async::Result<Conn> {
    let opened = Conn::new(driver_options.clone()).await;
    #[cfg(feature = "tls")]
    if let Err(cause) = &opened
        && let Some(options) = crate::tls::with_name_of_certificate(driver_options, cause)
    {
        return Conn::new(options).await;
    }
    opened
}

const CONNECT_TRIES: usize = 3;

/// The time limit of one attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

const FIRST_PAUSE: Duration = Duration::from_millis(50);

const KEEPALIVE: Duration = Duration::from_secs(30);
