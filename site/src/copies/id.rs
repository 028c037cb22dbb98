use std::fmt;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::web::{error::PageError, record_id::path_param};

/// The number of hexadecimal digits of an id.
const DIGITS: usize = 32;

/// The indices of the digits before which a displayed id has a hyphen.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

/// The id of a copy: a UUID. It is stored without hyphens and displayed with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyId(String);

impl CopyId {
    /// Generates a UUID of version 4.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let number = u128::from_be_bytes(bytes);
        Ok(Self(format!("{number:032x}")))
    }

    /// Wraps an id from the database.
    pub(crate) fn stored(digits: String) -> Self {
        Self(digits)
    }

    /// Returns the id as it is stored.
    pub(crate) fn as_stored(&self) -> &str {
        &self.0
    }

    /// Returns the first digits, enough to tell the copies of a book apart.
    pub(crate) fn short(&self) -> &str {
        self.0.get(..HYPHENS[0]).unwrap_or(&self.0)
    }

    /// Parses an id from a URL. Accepts only lower case with hyphens, so that each copy has exactly
    /// one URL.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: String = text.split('-').collect();
        let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let id = Self(digits);
        (id.0.len() == DIGITS && id.0.bytes().all(lower_hex) && id.to_string() == text)
            .then_some(id)
    }
}

impl fmt::Display for CopyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, digit) in self.0.chars().enumerate() {
            if HYPHENS.contains(&position) {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CopyId {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        Self::parse(&path_param(parts, state).await?).ok_or(PageError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_a_random_uuid() {
        let id = CopyId::random().unwrap();
        assert_eq!(CopyId::parse(&id.to_string()), Some(id.clone()));
        assert_eq!(id.to_string().as_bytes()[14], b'4');
        assert_ne!(id, CopyId::random().unwrap());
    }

    #[test]
    fn an_id_is_parsed_in_one_format_only() {
        let text = "a2f73175-924d-4524-ac9a-e0b94e759058";
        let id = CopyId::parse(text).unwrap();
        assert_eq!(id.as_stored(), "a2f73175924d4524ac9ae0b94e759058");
        assert_eq!(id.to_string(), text);
        assert_eq!(id.short(), "a2f73175");
        for other in [
            "A2F73175-924D-4524-AC9A-E0B94E759058",
            "a2f73175924d4524ac9ae0b94e759058",
            "a2f73175-924d4524-ac9a-e0b94e759058",
            "a2f73175-924d-4524-ac9a-e0b94e75905",
            "-a2f73175-924d-4524-ac9a-e0b94e759058",
            "",
        ] {
            assert_eq!(CopyId::parse(other), None, "{other}");
        }
    }
}
