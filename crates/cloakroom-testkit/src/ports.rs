use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::unique_name::random;

/// Returns a listener on a port of 127.0.0.1 that can be bound again after the listener is closed.
///
/// The port is below the range from which operating systems assign ports, so it is not assigned to
/// another process in the meantime. A server that is killed and started again needs such a port.
///
/// # Errors
/// If no free port is found.
///
/// # Examples
/// ```
/// use std::net::TcpListener;
///
/// let address = cloakroom_testkit::reusable_port()?.local_addr()?;
/// let again = TcpListener::bind(address)?;
///
/// assert_eq!(again.local_addr()?, address);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn reusable_port() -> io::Result<TcpListener> {
    for _ in 0..PORT_TRIES {
        let port = FIRST_PORT + u16::try_from(random() % PORTS).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    Err(io::Error::other(format!(
        "no free port of 127.0.0.1 found among the {PORTS} ports from {FIRST_PORT} on"
    )))
}

const FIRST_PORT: u16 = 20_000;

/// How many ports there are to choose from. The last one is 31,999, because Linux assigns ports
/// from 32,768 on, and other operating systems assign ports from 49,152 on.
const PORTS: u64 = 12_000;

const PORT_TRIES: usize = 100;
