use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::SystemTime;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// What goes into a statement.
///
/// It does not show itself: at level DEBUG the driver logs each statement with its parameters.
pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
    Moment(SystemTime),
    Text(Option<Cow<'a, str>>),
}

impl<'a> Value<'a> {
    /// Text as PostgreSQL can keep it: in its text there is no NUL.
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        Self::Text(text.map(without_nul))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<SystemTime> for Value<'_> {
    fn from(at: SystemTime) -> Self {
        Self::Moment(at)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
            Self::Number(number) => number.to_sql(ty, out),
            Self::Moment(at) => at.to_sql(ty, out),
            Self::Text(text) => text.as_deref().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        <&[u8]>::accepts(ty) || i64::accepts(ty) || SystemTime::accepts(ty) || <&str>::accepts(ty)
    }

    to_sql_checked!();
}

/// Writes NUL as SUB and `0`, and SUB itself as two of them, so that [`with_nul`] can tell them apart.
fn without_nul(text: &str) -> Cow<'_, str> {
    if !text.contains([NUL, SUB]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            NUL => kept.extend([SUB, '0']),
            SUB => kept.extend([SUB, SUB]),
            _ => kept.push(character),
        }
    }
    Cow::Owned(kept)
}

/// What [`without_nul`] was given.
pub(crate) fn with_nul(kept: &str) -> Cow<'_, str> {
    if !kept.contains(SUB) {
        return Cow::Borrowed(kept);
    }
    let mut text = String::with_capacity(kept.len());
    let mut characters = kept.chars();
    while let Some(character) = characters.next() {
        match character {
            SUB => text.push(match characters.next() {
                Some('0') => NUL,
                // Anything else but SUB was not written here, and is taken as it is.
                other => other.unwrap_or(SUB),
            }),
            _ => text.push(character),
        }
    }
    Cow::Owned(text)
}

const NUL: char = '\0';

/// "Substitute", which stands for what cannot be sent.
const SUB: char = '\u{1a}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_no_two_are_kept_as_one() {
        let pieces = ["", "\0", "\u{1a}", "0", "a", "\u{1a}0", "é"];
        let mut kept = Vec::new();
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let text = [first, second, third].concat();
                    assert_eq!(with_nul(&without_nul(&text)), text);
                    assert!(!without_nul(&text).contains('\0'));
                    kept.push((without_nul(&text).into_owned(), text));
                }
            }
        }
        for (kept_as, text) in &kept {
            for (other_kept_as, other) in &kept {
                assert_eq!(kept_as == other_kept_as, text == other);
            }
        }
    }

    #[test]
    fn a_value_does_not_show_itself() {
        let values = [
            Value::from(&b"secret"[..]),
            Value::text(Some("secret")),
            Value::Number(7),
        ];
        assert_eq!(format!("{values:?}"), "[.., .., ..]");
    }
}
