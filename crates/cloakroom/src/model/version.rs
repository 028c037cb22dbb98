use std::fmt;

use bytes::Bytes;

use super::error::{Error, ErrorKind, Result};

/// A number that is unique to one save. It is not secret.
///
/// # Examples
/// ```
/// use cloakroom::store::{SaveId, Version};
///
/// let save_id = SaveId::random()?;
/// assert_eq!(SaveId::new(save_id.get()), save_id);
/// assert_eq!(Version::from(save_id).save_id(), Some(save_id));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SaveId(u64);

impl SaveId {
    /// Draws an id from the random numbers of the operating system.
    ///
    /// # Errors
    /// [`Random`](ErrorKind::Random) if there are none.
    pub fn random() -> Result<Self> {
        match getrandom::u64() {
            Ok(number) => Ok(Self(number)),
            Err(source) => Err(Error::new(
                ErrorKind::Random,
                "drawing the id of a save: the operating system gives no random numbers",
            )
            .with_source(source)),
        }
    }

    /// The id with this number, which a store has kept.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for a store to keep.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Identifies one state of one entry. Only the store that issued it can read it.
#[derive(Clone, Eq, PartialEq)]
pub struct Version(VersionRepr);

impl From<SaveId> for Version {
    fn from(save_id: SaveId) -> Self {
        Self(VersionRepr::SaveId(save_id))
    }
}

impl Version {
    /// Returns the id of the save that wrote the entry, or `None` if its store issues other versions.
    pub fn save_id(&self) -> Option<SaveId> {
        match self.0 {
            VersionRepr::SaveId(save_id) => Some(save_id),
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
            VersionRepr::SaveId(_) | VersionRepr::Tiers(_) => None,
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
            VersionRepr::SaveId(_) | VersionRepr::Bytes(_) => (None, None),
        }
    }

    /// The version of the entry itself, if it is known: what the back said where there are two tiers.
    pub(crate) fn of_entry(&self) -> Option<&Self> {
        match &self.0 {
            VersionRepr::Tiers(tiers) => tiers.1.as_ref(),
            VersionRepr::SaveId(_) | VersionRepr::Bytes(_) => Some(self),
        }
    }

    /// Whether this version of an entry says whether there was another one in between. A number names one save. Data are
    /// the same again when somebody writes the same once more.
    pub(crate) fn tells_saves_apart(&self) -> bool {
        let entry = self.of_entry();
        entry.is_some_and(|version| matches!(version.0, VersionRepr::SaveId(_)))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Version(..)")
    }
}

#[derive(Clone, Eq, PartialEq)]
enum VersionRepr {
    SaveId(SaveId),
    Bytes(Bytes),
    Tiers(Box<(Option<Version>, Option<Version>)>),
}
