use std::error::Error as StdError;
use std::time::SystemTime;

use cloakroom::store::from_micros;
use tokio_postgres::types::{FromSql, Type};

/// A `timestamp with time zone` as PostgreSQL sends it, clamped to the years 1970 to 9999.
/// `-infinity` and `infinity` become the first and the last instant of that range.
pub(crate) struct Timestamp(pub(crate) SystemTime);

impl<'a> FromSql<'a> for Timestamp {
    fn from_sql(_: &Type, sent: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let since_2000 = i64::from_be_bytes(sent.try_into()?);
        Ok(Self(from_micros(since_2000.saturating_add(YEAR_2000))))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

/// PostgreSQL's epoch, the first instant of 2000, in microseconds since 1970.
const YEAR_2000: i64 = 946_684_800_000_000;
