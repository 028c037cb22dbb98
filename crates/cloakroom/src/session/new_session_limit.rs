use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::model::{Error, ErrorKind, Result, after};

/// How many sessions a client may begin without a login.
///
/// Counts in windows of fixed length. The first new session of a client begins a window.
#[derive(Debug)]
pub(crate) struct NewSessionLimit {
    pub(crate) max: u32,
    pub(crate) per: Duration,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    windows: HashMap<Client, Window>,
    /// When the windows that are over are removed, at the earliest.
    clean_at: Option<SystemTime>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Client {
    V4([u8; 4]),
    /// The first 64 bits of the address. A provider gives each customer at least so many addresses.
    V6([u8; 8]),
    /// All clients for which there is no room.
    Other,
}

#[derive(Debug)]
struct Window {
    ends: SystemTime,
    sessions: u32,
}

impl NewSessionLimit {
    pub(crate) fn new(max: u32, per: Duration) -> Self {
        Self {
            max,
            per,
            clients: Mutex::default(),
        }
    }

    /// Counts a new session of the client at `address`.
    ///
    /// # Errors
    /// [`TooManyNewSessions`](ErrorKind::TooManyNewSessions) if the client has begun too many.
    pub(crate) fn admit(&self, address: IpAddr, now: SystemTime) -> Result<()> {
        let mut clients = self.clients();
        let window = clients.window(Client::at(address), now, after(now, self.per));
        if window.sessions >= self.max {
            return Err(Error::new(
                ErrorKind::TooManyNewSessions,
                format!(
                    "beginning a session: the client has begun {} sessions within {:?} and sent \
                     none of their cookies; try again later",
                    self.max, self.per
                ),
            ));
        }
        window.sessions += 1;
        Ok(())
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    /// Returns the current window of the client. A new window ends at `ends`.
    fn window(&mut self, client: Client, now: SystemTime, ends: SystemTime) -> &mut Window {
        let is_full = self.windows.len() >= MAX_CLIENTS;
        if is_full && self.clean_at.is_none_or(|at| at <= now) {
            self.windows.retain(|_, window| window.ends > now);
            self.clean_at = Some(ends);
        }
        let has_room = self.windows.len() < MAX_CLIENTS || self.windows.contains_key(&client);
        let client = if has_room { client } else { Client::Other };
        let window = self
            .windows
            .entry(client)
            .or_insert(Window { ends, sessions: 0 });
        if window.ends <= now {
            *window = Window { ends, sessions: 0 };
        }
        window
    }
}

impl Client {
    fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// The maximum number of clients that are counted separately. They take about 4 MB.
const MAX_CLIENTS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn each_client_may_begin_so_many_sessions_in_each_window() {
        let limit = NewSessionLimit::new(2, Duration::from_millis(100));
        let admit = |address: &str, at| limit.admit(address.parse().unwrap(), from_millis(at));
        for at in [0, 100, 250] {
            assert!(admit("192.0.2.1", at).is_ok());
            assert!(admit("192.0.2.1", at + 50).is_ok());
            let error = admit("192.0.2.1", at + 99).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooManyNewSessions);
            assert!(!error.to_string().contains("192.0.2.1"));
            assert!(admit(&format!("192.0.2.{}", at + 2), at).is_ok());
        }
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        for same in [
            ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2"],
            ["192.0.2.1", "::ffff:192.0.2.1"],
        ] {
            let [one, other] = same.map(|address| Client::at(address.parse().unwrap()));
            assert_eq!(one, other);
        }
        for different in [
            ["2001:db8:0:1::1", "2001:db8:0:2::1"],
            ["192.0.2.1", "192.0.2.2"],
        ] {
            let [one, other] = different.map(|address| Client::at(address.parse().unwrap()));
            assert_ne!(one, other);
        }
    }

    #[test]
    fn the_number_of_clients_is_bounded_and_the_others_share_one_window() {
        let limit = NewSessionLimit::new(1, Duration::from_millis(100));
        let admit = |n: u32, at| limit.admit(IpAddr::V4(n.into()), from_millis(at)).is_ok();
        let full = u32::try_from(MAX_CLIENTS).unwrap();
        for n in 0..full {
            assert!(admit(n, 0));
        }

        assert!(admit(full, 1), "the first of the others");
        assert!(!admit(full + 1, 2), "the second");
        assert!(!admit(0, 3), "a client that is counted separately");
        assert_eq!(limit.clients().windows.len(), MAX_CLIENTS + 1);

        assert!(admit(full + 1, 101), "the windows are over");
        assert!(admit(full + 2, 102));
        assert!(limit.clients().windows.len() < 10);
    }
}
