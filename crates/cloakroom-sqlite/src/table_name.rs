//! Which names the table of the sessions may have.

use cloakroom::{Error, ErrorKind, Result};

/// The table in which each table of sessions has its schema version. The file may be the
/// application's, so `PRAGMA user_version` is not ours to use.
pub(crate) const SCHEMA_VERSIONS: &str = "cloakroom_schema";

/// Refuses a name that is not a plain word, or that SQLite or this crate has for itself.
pub(crate) fn check(name: &str) -> Result<()> {
    if is_table_name(name) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        format!(
            "`table({name:?})` is no name for the sessions: it must be a letter or `_`, then up to 62 of `A-Z a-z \
             0-9 _`, and may neither begin with `sqlite_` nor be `{SCHEMA_VERSIONS}`"
        ),
    ))
}

fn is_table_name(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.len() <= MAX_NAME_LEN
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.to_ascii_lowercase().starts_with("sqlite_")
        && !name.eq_ignore_ascii_case(SCHEMA_VERSIONS)
}

/// As long as PostgreSQL's, so that a name that works here works there.
const MAX_NAME_LEN: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_cannot_carry_sql_or_take_a_name_of_sqlite() {
        for good in ["cloakroom_session", "_", "Order", "s2", &"x".repeat(63)] {
            assert!(is_table_name(good), "{good}");
        }
        let long = "x".repeat(64);
        let bad = [
            "",
            "2s",
            "a b",
            "a\"b",
            "a;b",
            "é",
            "a-b",
            "a\0",
            "SQLite_x",
            "Cloakroom_Schema",
            &long,
        ];
        for bad in bad {
            assert!(!is_table_name(bad), "{bad}");
        }
    }
}
