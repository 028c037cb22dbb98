use std::fmt;

use bytes::Bytes;

use super::error::{Error, ErrorKind, Result};

/// Names one save of one entry. Only the store that gave it can read it.
#[derive(Clone, Eq, PartialEq)]
pub struct Version(VersionRepr);

impl Version {
    /// A version drawn from the random numbers of the operating system.
    ///
    /// # Errors
    /// [`Random`](ErrorKind::Random) if there are none.
    pub fn random() -> Result<Self> {
        match getrandom::u64() {
            Ok(number) => Ok(Self::from_u64(number)),
            Err(source) => Err(Error::new(
                ErrorKind::Random,
                "drawing a version: the operating system gives no random numbers",
            )
            .with_source(source)),
        }
    }

    /// The version with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(VersionRepr::Number(number))
    }

    /// The number, if it was made from one.
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            VersionRepr::Number(number) => Some(number),
            VersionRepr::Bytes(_) | VersionRepr::Tiers(_) => None,
        }
    }

    /// The version that is these bytes, where a store compares the old data itself.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self(VersionRepr::Bytes(bytes))
    }

    /// The bytes, if it was made from some.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            VersionRepr::Number(_) | VersionRepr::Tiers(_) => None,
            VersionRepr::Bytes(bytes) => Some(bytes),
        }
    }
}

/// What only the core needs to know of a version.
impl Version {
    /// The version of an entry that two tiers have: what each of them said, if it was asked and had one.
    pub(crate) fn of_tiers(front: Option<Self>, back: Option<Self>) -> Self {
        Self(VersionRepr::Tiers(Box::new((front, back))))
    }

    /// What the two tiers said.
    pub(crate) fn tiers(&self) -> (Option<&Self>, Option<&Self>) {
        match &self.0 {
            VersionRepr::Tiers(tiers) => (tiers.0.as_ref(), tiers.1.as_ref()),
            VersionRepr::Number(_) | VersionRepr::Bytes(_) => (None, None),
        }
    }

    /// The version of the entry itself, if it is known: what the back said where there are two tiers.
    pub(crate) fn of_entry(&self) -> Option<&Self> {
        match &self.0 {
            VersionRepr::Tiers(tiers) => tiers.1.as_ref(),
            VersionRepr::Number(_) | VersionRepr::Bytes(_) => Some(self),
        }
    }

    /// Whether this version of an entry says whether there was another one in between. A number names one save. Data are
    /// the same again when somebody writes the same once more.
    pub(crate) fn tells_saves_apart(&self) -> bool {
        let entry = self.of_entry();
        entry.is_some_and(|version| matches!(version.0, VersionRepr::Number(_)))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Version(..)")
    }
}

#[derive(Clone, Eq, PartialEq)]
enum VersionRepr {
    Number(u64),
    Bytes(Bytes),
    Tiers(Box<(Option<Version>, Option<Version>)>),
}
