use cloakroom::{Error, ErrorKind, Result};

use crate::error::corrupt;
use crate::pool::{Ask, Pool};

const ABOUT: &str = "SELECT VERSION(), @@max_allowed_packet";

/// The largest data of one entry that the server takes, if it is a server that has what the statements need.
pub(crate) async fn max_size(pool: &Pool) -> Result<usize> {
    let ask = Ask {
        doing: ASKING,
        statement: ABOUT,
        repeatable: true,
    };
    let row = pool.ask(ask, Vec::new).await?.rows.pop();
    let about = row.and_then(|row| mysql_async::from_row_opt::<(String, u64)>(row).ok());
    let (version, packet) = about.ok_or_else(|| corrupt(ASKING))?;
    if !is_recent(&version) {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "connecting to MySQL at {}: it is version {version}, and the sessions need MySQL 8.0 or MariaDB 10.6",
                pool.address()
            ),
        ));
    }
    Ok(usize::try_from(packet)
        .unwrap_or(usize::MAX)
        .saturating_sub(ROOM))
}

/// Whether a server of this version knows `SKIP LOCKED`.
fn is_recent(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|digits| digits.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version.contains("MariaDB") {
        true => found >= (10, 6),
        false => found >= (8, 0),
    }
}

const ASKING: &str = "asking MySQL what it is";

/// What goes with the data in one packet, rounded up: two lookups, an owner and a label.
const ROOM: usize = 8 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_without_skip_locked_are_told_by_their_version() {
        for recent in [
            "8.0.36",
            "8.4.2-commercial",
            "9.1.0",
            "10.6.21-MariaDB",
            "10.11.19-MariaDB-0+deb12u1",
            "11.8.2-MariaDB",
        ] {
            assert!(is_recent(recent), "{recent}");
        }
        for old in [
            "",
            "5.7.44-log",
            "10.5.29-MariaDB",
            "5.5.68-MariaDB",
            "unknown",
        ] {
            assert!(!is_recent(old), "{old}");
        }
    }
}
