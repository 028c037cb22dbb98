//! Checks the name of a session table.

use cloakroom::{Error, ErrorKind, Result, limits};

/// The table that records the schema version of each session table. The versions are not stored in
/// `PRAGMA user_version`, because the application may use the same file and need that number.
pub(crate) const SCHEMA_VERSIONS: &str = "cloakroom_schema";

/// Returns an error if `name` is not a valid table name, or if SQLite or this crate reserves it.
pub(crate) fn check(name: &str) -> Result<()> {
    limits::check_table_name(name)?;
    if name.to_ascii_lowercase().starts_with("sqlite_")
        || name.eq_ignore_ascii_case(SCHEMA_VERSIONS)
    {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "`table({name:?})` cannot be used: names that begin with `sqlite_` and the name \
                 `{SCHEMA_VERSIONS}` are reserved"
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_cannot_contain_sql_or_be_reserved() {
        for good in ["cloakroom_session", "_", "Order", "s2", &"x".repeat(63)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "a\"b", "SQLite_x", "Cloakroom_Schema"] {
            assert_eq!(check(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
