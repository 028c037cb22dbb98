use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::SystemTime;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A parameter of a statement.
///
/// The `Debug` output hides the value, because the driver logs the parameters of each statement at
/// level DEBUG.
pub(crate) enum Value<'a> {
    Bytes(Option<&'a [u8]>),
    Number(i64),
    Timestamp(SystemTime),
    Text(Option<Cow<'a, str>>),
}

impl<'a> Value<'a> {
    /// Returns a parameter of bytes, or NULL.
    pub(crate) fn bytes(bytes: Option<&'a [u8]>) -> Self {
        Self::Bytes(bytes)
    }

    /// Returns a text parameter with every NUL escaped: text in PostgreSQL cannot contain NUL.
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        Self::Text(text.map(escape_nul))
    }

    /// Returns the type that the statements expect for this parameter.
    pub(crate) fn type_of(&self) -> Type {
        match self {
            Self::Bytes(_) => Type::BYTEA,
            Self::Number(_) => Type::INT8,
            Self::Timestamp(_) => Type::TIMESTAMPTZ,
            Self::Text(_) => Type::TEXT,
        }
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<SystemTime> for Value<'_> {
    fn from(at: SystemTime) -> Self {
        Self::Timestamp(at)
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
            Self::Timestamp(at) => at.to_sql(ty, out),
            Self::Text(text) => text.as_deref().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        <&[u8]>::accepts(ty) || i64::accepts(ty) || SystemTime::accepts(ty) || <&str>::accepts(ty)
    }

    to_sql_checked!();
}

/// Replaces each NUL with SUB and `0`, and each SUB with two SUBs. [`unescape_nul`] reverses this.
fn escape_nul(text: &str) -> Cow<'_, str> {
    if !text.contains([NUL, SUB]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            NUL => escaped.extend([SUB, '0']),
            SUB => escaped.extend([SUB, SUB]),
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Returns the text from which [`escape_nul`] made `escaped`.
pub(crate) fn unescape_nul(escaped: &str) -> Cow<'_, str> {
    if !escaped.contains(SUB) {
        return Cow::Borrowed(escaped);
    }
    let mut text = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        match character {
            SUB => text.push(match characters.next() {
                Some('0') => NUL,
                // Two SUBs mean one SUB. If another program wrote a SUB before any other character,
                // drop that SUB and keep the other character.
                other => other.unwrap_or(SUB),
            }),
            _ => text.push(character),
        }
    }
    Cow::Owned(text)
}

const NUL: char = '\0';

/// The control character "substitute", which [`escape_nul`] uses as its escape character.
const SUB: char = '\u{1a}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_is_reversible_and_different_texts_stay_different() {
        let pieces = ["", "\0", "\u{1a}", "0", "a", "\u{1a}0", "é"];
        let mut escaped = Vec::new();
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let text = [first, second, third].concat();
                    assert_eq!(unescape_nul(&escape_nul(&text)), text);
                    assert!(!escape_nul(&text).contains('\0'));
                    escaped.push((escape_nul(&text).into_owned(), text));
                }
            }
        }
        for (one_escaped, one) in &escaped {
            for (other_escaped, other) in &escaped {
                assert_eq!(one_escaped == other_escaped, one == other);
            }
        }
    }

    #[test]
    fn debug_output_hides_values() {
        let values = [
            Value::from(&b"secret"[..]),
            Value::text(Some("secret")),
            Value::Number(7),
        ];
        assert_eq!(format!("{values:?}"), "[.., .., ..]");
    }
}
