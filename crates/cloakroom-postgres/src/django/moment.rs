use std::error::Error as StdError;
use std::time::SystemTime;

use cloakroom::store::from_micros;
use tokio_postgres::types::{FromSql, Type};

/// An instant as PostgreSQL sends it; what is before 1970 or after 9999, its infinities too, is the first or the last
/// that stores keep.
pub(crate) struct Moment(pub(crate) SystemTime);

impl<'a> FromSql<'a> for Moment {
    fn from_sql(_: &Type, sent: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let since_2000 = i64::from_be_bytes(sent.try_into()?);
        Ok(Self(from_micros(since_2000.saturating_add(YEAR_2000))))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

/// The first instant of 2000, from which PostgreSQL counts, in microseconds since 1970.
const YEAR_2000: i64 = 946_684_800_000_000;
