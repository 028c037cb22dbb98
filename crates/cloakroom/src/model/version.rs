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
    /// Draws a random id, using the random numbers of the operating system.
    ///
    /// # Errors
    /// [`Random`](ErrorKind::Random) if the operating system provides no random numbers.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::SaveId;
    ///
    /// assert_ne!(SaveId::random()?, SaveId::random()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn random() -> Result<Self> {
        match getrandom::u64() {
            Ok(number) => Ok(Self(number)),
            Err(source) => Err(Error::new(
                ErrorKind::Random,
                "drawing a save id: the operating system gives no random numbers",
            )
            .with_source(source)),
        }
    }

    /// Creates the id from a number that a store kept.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::SaveId;
    ///
    /// assert_eq!(SaveId::new(7).get(), 7);
    /// ```
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number, for a store to keep. It uses all 64 bits.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::SaveId;
    ///
    /// let column = SaveId::new(u64::MAX).get().cast_signed();
    /// assert_eq!(SaveId::new(column.cast_unsigned()), SaveId::new(u64::MAX));
    /// ```
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The version of an entry: identifies one state of one entry.
///
/// A store issues versions and compares them. The core, which is the part of Cloakroom that calls
/// stores, only passes versions on and checks them for equality.
///
/// Every save has a random [`SaveId`], and most stores use it as the version:
/// `Version::from(save_id)`. A store that cannot keep the save id uses the stored data as the
/// version: [`from_bytes`](Self::from_bytes).
///
/// # Examples
/// ```
/// use cloakroom::store::{SaveId, Version};
///
/// let version = Version::from(SaveId::new(7));
/// assert_eq!(version.save_id(), Some(SaveId::new(7)));
/// assert_ne!(version, Version::from(SaveId::new(8)));
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Version(VersionRepr);

impl From<SaveId> for Version {
    fn from(save_id: SaveId) -> Self {
        Self(VersionRepr::SaveId(save_id))
    }
}

impl Version {
    /// Returns the id of the save that wrote the entry, or `None` if the store does not use save
    /// ids as versions.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::{SaveId, Version};
    ///
    /// assert_eq!(Version::from(SaveId::new(7)).save_id(), Some(SaveId::new(7)));
    /// assert_eq!(Version::from_bytes("{}".into()).save_id(), None);
    /// ```
    pub fn save_id(&self) -> Option<SaveId> {
        match self.0 {
            VersionRepr::SaveId(save_id) => Some(save_id),
            VersionRepr::Bytes(_) | VersionRepr::Tiers(_) => None,
        }
    }

    /// Creates a version from bytes, for a store that uses the stored data as the version.
    ///
    /// Two saves of the same data have the same version. If the connection fails before the store
    /// answers a save, the core therefore cannot find out whether the save took effect, and the
    /// request fails.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Version;
    ///
    /// let version = Version::from_bytes("the old data".into());
    /// assert_eq!(version.as_bytes().unwrap(), "the old data");
    /// ```
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self(VersionRepr::Bytes(bytes))
    }

    /// Returns the bytes that the version was created from, or `None` if it was not created from
    /// bytes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::{SaveId, Version};
    ///
    /// assert_eq!(Version::from_bytes("{}".into()).as_bytes().unwrap(), "{}");
    /// assert_eq!(Version::from(SaveId::new(7)).as_bytes(), None);
    /// ```
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            VersionRepr::SaveId(_) | VersionRepr::Tiers(_) => None,
            VersionRepr::Bytes(bytes) => Some(bytes),
        }
    }
}

/// Versions of entries that a backend keeps in two tiers, a cache and an origin.
impl Version {
    /// Creates the version of an entry in two tiers. A tier's version is `None` if the tier was not
    /// queried or does not have the entry.
    pub(crate) fn of_tiers(cache: Option<Self>, origin: Option<Self>) -> Self {
        Self(VersionRepr::Tiers(Box::new((cache, origin))))
    }

    /// Returns the versions in the cache and in the origin.
    pub(crate) fn tiers(&self) -> (Option<&Self>, Option<&Self>) {
        match &self.0 {
            VersionRepr::Tiers(tiers) => (tiers.0.as_ref(), tiers.1.as_ref()),
            VersionRepr::SaveId(_) | VersionRepr::Bytes(_) => (None, None),
        }
    }

    /// Returns the version of the entry itself, if known. With two tiers, this is the origin's
    /// version.
    pub(crate) fn of_entry(&self) -> Option<&Self> {
        match &self.0 {
            VersionRepr::Tiers(tiers) => tiers.1.as_ref(),
            VersionRepr::SaveId(_) | VersionRepr::Bytes(_) => Some(self),
        }
    }

    /// Returns whether every save gives the entry a different version. Only if it does, two loads
    /// that return the same version prove that the entry was not saved between them.
    ///
    /// A save id identifies exactly one save. Data does not: another save may write the same bytes.
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
