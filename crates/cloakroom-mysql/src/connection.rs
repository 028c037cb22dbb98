use std::time::Duration;

use cloakroom::{ErrorKind, Result};
use mysql_async::{Conn, Opts};
use tokio::time::{sleep, timeout};

use crate::address::Address;
use crate::error::{connecting, too_slow};

// What an administrator may have set otherwise, and what the statements rely on. No statement takes the time from the
// server, so its time zone does not matter.
//
// `wait_timeout` is above `IDLE_LIMIT`, so the server closes no connection that would still be used; and it is the
// time after which a machine that vanished in the middle of a sweep holds no rows any more.
const SETTINGS: &str = "SET SESSION
    autocommit = 1,
    sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
    innodb_lock_wait_timeout = 1,
    lock_wait_timeout = 1,
    wait_timeout = 600";

const CHARACTERS: &str = "SET NAMES utf8mb4";

// Without gap locks: two sessions that have nothing to do with each other never wait for each other.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// How to connect.
pub(crate) fn recipe(address: &Address) -> Opts {
    #[cfg(feature = "tls")]
    choose_cryptography();
    let settings = [SETTINGS, CHARACTERS, ISOLATION].map(String::from);
    address
        .login()
        // An UPDATE that finds its row counts, even if it writes what is there already.
        .client_found_rows(true)
        .init(settings.into())
        // The address is the one that was asked for, and errors name it.
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE))
        .into()
}

/// Makes the choice of cryptography that the TLS library refuses to make by itself when the build has several.
#[cfg(feature = "tls")]
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may be first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Connects; tries again, with pauses that grow, while the server cannot be reached.
pub(crate) async fn connect(address: &Address, recipe: &Opts) -> Result<Conn> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..CONNECT_TRIES {
        match connect_once(address, recipe).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                sleep(pause).await;
                pause *= 4;
            }
            answer => return answer,
        }
    }
    connect_once(address, recipe).await
}

async fn connect_once(address: &Address, recipe: &Opts) -> Result<Conn> {
    match timeout(CONNECT_LIMIT, Conn::new(recipe.clone())).await {
        Ok(answer) => answer.map_err(|cause| connecting(address, cause)),
        Err(_) => Err(too_slow(
            &format!("connecting to MySQL at {address}"),
            &format!(
                "no answer within {CONNECT_LIMIT:?}; check that it runs and that no firewall is between"
            ),
        )),
    }
}

const CONNECT_TRIES: usize = 3;

/// How long one try may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

const FIRST_PAUSE: Duration = Duration::from_millis(50);

const KEEPALIVE: Duration = Duration::from_secs(30);
