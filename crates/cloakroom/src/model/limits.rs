//! The bounds that hold for every session, whatever its store.
//!
//! They are checked before a store is called, so a program that works with one store works with
//! all. Every store accepts everything within the bounds; the conformance suite of
//! `cloakroom-testkit` tests the largest values.
//!
//! | | at most | checked by |
//! |---|---|---|
//! | owner | [`OWNER_BYTES`]: 255 bytes | [`Session::log_in`](crate::Session::log_in) |
//! | label | [`LABEL_CHARS`]: 1,000 characters | [`Session::set_label`](crate::Session::set_label) |
//! | name of an item | [`ITEM_NAME_BYTES`]: 1,024 bytes | [`Session::set`](crate::Session::set) and the other methods that set items |
//! | value of an item | [`NESTING`]: 127 levels of nested arrays and objects | the same methods |
//! | whole session | [`SessionsBuilder::max_size`](crate::SessionsBuilder::max_size): 1 MiB by default, up to [`SESSION_BYTES`]: 16 MiB | each save |
//! | name of a table | [`TABLE_NAME_BYTES`]: 63 bytes | the builder of the store |
//! | difference of the servers' clocks | [`CLOCK_SKEW`]: 5 minutes | each load |
//!
//! A store whose server has a lower limit for the whole session declares it as
//! [`max_size`](crate::store::Guarantees::max_size). An item, owner or label that was stored before
//! its bound existed is loaded and saved unchanged.

use std::time::Duration;

use super::error::{Error, ErrorKind, Result};

/// The maximum length of an [`Owner`](crate::Owner) in bytes.
///
/// Longer owners do not fit into the indexed columns of some databases. For a longer identifier,
/// use its hash as the owner.
pub const OWNER_BYTES: usize = 255;

/// The maximum length of a label in characters, not bytes.
pub const LABEL_CHARS: usize = 1_000;

/// The maximum length of the name of an item in bytes.
pub const ITEM_NAME_BYTES: usize = 1_024;

/// The maximum depth of nested arrays and objects in the value of an item: the depth that
/// serde_json can read.
pub const NESTING: usize = 127;

/// The highest [`max_size`](crate::SessionsBuilder::max_size) of a session, in bytes of its encoded
/// data, its owner and its label.
pub const SESSION_BYTES: usize = 16 << 20;

/// The maximum length of the name of a table in bytes. PostgreSQL truncates longer names.
pub const TABLE_NAME_BYTES: usize = 63;

/// The tolerated difference between the clocks of a site's servers.
///
/// If the clocks differ by less, a session ends at most this much earlier or later than it should.
/// A server ignores a session whose times are further in the future by the server's clock, because
/// the session would outlast its lifetime on that server. Synchronised clocks differ by less than a
/// second.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// Checks the name of a store's table: a letter or `_`, followed by letters, digits and `_`, at
/// most [`TABLE_NAME_BYTES`] in total. Such a name can be quoted in the SQL of every database.
///
/// # Errors
/// [`Config`](ErrorKind::Config) if `name` has another form.
///
/// # Examples
/// ```
/// use cloakroom::limits;
///
/// assert!(limits::check_table_name("staff_session").is_ok());
/// assert!(limits::check_table_name("staff; DROP TABLE loans").is_err());
/// ```
pub fn check_table_name(name: &str) -> Result<()> {
    let first = name.bytes().next();
    let is_valid = first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.len() <= TABLE_NAME_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match is_valid {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Config,
            format!(
                "`table({name:?})` is not a valid table name: it must be a letter or `_`, followed \
                 by up to {} of `A-Z a-z 0-9 _`",
                TABLE_NAME_BYTES - 1
            ),
        )),
    }
}

/// Returns an error if `len`, counted in `unit`, is more than `limit`. `doing` and `what` are used
/// in the error message.
pub(crate) fn check_len(
    doing: &str,
    what: &str,
    len: usize,
    limit: usize,
    unit: &str,
) -> Result<()> {
    if len <= limit {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        format!("{doing}: {what} has {len} {unit}, and at most {limit} are allowed"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_cannot_contain_sql_or_be_truncated() {
        for good in ["cloakroom_session", "_", "Order", "s2", &"x".repeat(63)] {
            assert!(check_table_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in [
            "", "2s", "a b", "a\"b", "a`b", "a;b", "é", "a-b", "a.b", "a\0", "{keys}", &long,
        ] {
            let error = check_table_name(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        }
    }
}
