//! Checks the name of a session table.

use cloakroom::{Error, ErrorKind, Result};

/// The table that records the schema version of each session table. `PRAGMA user_version` is left
/// to the application, which may use the same file.
pub(crate) const SCHEMA_VERSIONS: &str = "cloakroom_schema";

/// Returns an error unless `name` is a plain word that neither SQLite nor this crate reserves.
pub(crate) fn check(name: &str) -> Result<()> {
    if is_table_name(name) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        format!(
            "`table({name:?})` cannot be used: a name is a letter or `_`, then up to 62 of \
             `A-Z a-z 0-9 _`; it must not begin with `sqlite_` or be `{SCHEMA_VERSIONS}`"
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

/// PostgreSQL's limit, so that the same names work in both stores.
const MAX_NAME_LEN: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_cannot_contain_sql_or_be_reserved() {
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
