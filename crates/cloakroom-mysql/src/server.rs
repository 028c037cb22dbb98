use cloakroom::{Error, ErrorKind, Result};

use crate::error::corrupt;
use crate::pool::{Pool, Statement};

const VERSION_AND_PACKET: &str = "SELECT VERSION(), @@max_allowed_packet";

/// Returns the maximum size of an entry's data in bytes, which the server's maximum packet size
/// determines. Returns an error if the server is too old for the statements of the store.
pub(crate) async fn max_size(pool: &Pool) -> Result<usize> {
    let statement = Statement {
        doing: READING,
        sql: VERSION_AND_PACKET,
        repeatable: true,
    };
    let row = pool.run(statement, Vec::new).await?.rows.pop();
    let read = row.and_then(|row| mysql_async::from_row_opt::<(String, u64)>(row).ok());
    let (version, packet) = read.ok_or_else(|| corrupt(READING))?;
    if !is_recent(&version) {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "connecting to MySQL at {}: its version is {version}, but the store needs \
                 MySQL 8.0 or MariaDB 10.6",
                pool.address()
            ),
        ));
    }
    Ok(usize::try_from(packet)
        .unwrap_or(usize::MAX)
        .saturating_sub(OVERHEAD))
}

/// Returns whether a server of this version supports `SKIP LOCKED`.
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

const READING: &str = "reading the version of MySQL";

/// The maximum number of bytes that a packet contains besides the data. The largest other parts are
/// a label, an owner and two store keys.
const OVERHEAD: usize = 8 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_without_skip_locked_are_not_recent() {
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
