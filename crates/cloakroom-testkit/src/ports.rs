use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A listener on a port of 127.0.0.1 that can be left and taken again.
///
/// It is below those that the operating system gives out by itself, so that nobody gets it meanwhile.
pub(crate) fn lasting() -> io::Result<TcpListener> {
    for _ in 0..PORT_TRIES {
        let port = FIRST_PORT + u16::try_from(random() % PORTS).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    Err(io::Error::other(format!(
        "no free port of 127.0.0.1 among the {PORTS} from {FIRST_PORT} on"
    )))
}

/// From the standard library's one source of randomness.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

const FIRST_PORT: u16 = 20_000;

const PORTS: u64 = 12_000;

const PORT_TRIES: usize = 100;
