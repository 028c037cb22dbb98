use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::key::StoreKey;
use super::owner::Owner;
use super::version::{SaveId, Version};

/// The new contents of an entry, for a store to write.
#[derive(Clone)]
#[non_exhaustive]
pub struct Draft {
    /// The session's data, as the format encoded it.
    pub data: Bytes,
    /// The session's facts: its times, its owner and its label.
    pub meta: Meta,
    /// The random id of this save. A store writes it to the entry and uses it as the entry's
    /// version.
    ///
    /// If the store's answer to a call is lost, Cloakroom loads the entry and compares its version
    /// with this id to find out whether the call took effect. If the store uses other versions,
    /// Cloakroom cannot find that out, and the request fails with
    /// [`Unavailable`](crate::ErrorKind::Unavailable) or [`Timeout`](crate::ErrorKind::Timeout).
    pub save_id: SaveId,
}

impl Draft {
    /// Creates a draft.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use cloakroom::store::{Draft, Meta, SaveId};
    ///
    /// let meta = Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(60));
    /// let draft = Draft::new("{}".into(), meta, SaveId::random()?);
    /// assert_eq!(draft.data, "{}");
    /// # Ok::<_, cloakroom::Error>(())
    /// ```
    pub fn new(data: Bytes, meta: Meta, save_id: SaveId) -> Self {
        Self {
            data,
            meta,
            save_id,
        }
    }

    /// Returns the version that the entry has once this draft is written.
    ///
    /// This is for stores that use [`save_id`](Self::save_id) as the version.
    ///
    /// # Examples
    /// ```
    /// # let draft = cloakroom_testkit::conformance::draft(7);
    /// assert_eq!(draft.version().save_id(), Some(draft.save_id));
    /// ```
    pub fn version(&self) -> Version {
        self.save_id.into()
    }
}

/// A stored session, as a store returns it.
#[derive(Clone)]
pub struct Entry {
    /// The session's data, as the format encoded it.
    pub data: Bytes,
    /// The session's facts: its times, its owner and its label.
    pub meta: Meta,
    /// The version. A later [`save`](crate::store::Store::save) compares it with the version that
    /// the entry then has.
    pub version: Version,
}

impl Entry {
    /// Creates the entry of a session.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Entry;
    ///
    /// # let draft = cloakroom_testkit::conformance::draft(7);
    /// let entry = Entry::new("{}".into(), draft.meta.clone(), draft.version());
    /// assert_eq!(entry.data, "{}");
    /// assert_eq!(entry.version, draft.version());
    /// ```
    pub fn new(data: Bytes, meta: Meta, version: Version) -> Self {
        Self {
            data,
            meta,
            version,
        }
    }
}

impl From<Draft> for Entry {
    /// Returns the entry that results from writing the draft, in a store that uses
    /// [`save_id`](Draft::save_id) as the version.
    fn from(draft: Draft) -> Self {
        let version = draft.version();
        Self::new(draft.data, draft.meta, version)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_without_values(f, "Draft", &self.data, &self.meta)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_without_values(f, "Entry", &self.data, &self.meta)
    }
}

fn debug_without_values(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    data: &Bytes,
    meta: &Meta,
) -> fmt::Result {
    f.debug_struct(name)
        .field("data", &format_args!("{} bytes", data.len()))
        .field("meta", meta)
        .finish_non_exhaustive()
}

/// The facts of a session: its times, its owner and its label. Times are whole milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Meta {
    /// When the session began. A login resets this time. The absolute lifetime counts from it.
    pub created: SystemTime,
    /// When the session was last saved or touched.
    pub touched: SystemTime,
    /// When the session expires.
    pub expires: SystemTime,
    /// The user that the session belongs to.
    pub owner: Option<Owner>,
    /// The name that the site shows for the session in lists, for example the device.
    pub label: Option<Box<str>>,
}

impl Meta {
    /// Creates the facts of a session without owner and label.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use cloakroom::store::Meta;
    ///
    /// let meta = Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(60));
    /// assert_eq!(meta.owner, None);
    /// ```
    pub fn new(created: SystemTime, touched: SystemTime, expires: SystemTime) -> Self {
        Self {
            created,
            touched,
            expires,
            owner: None,
            label: None,
        }
    }

    /// Sets the owner, or removes it with `None`.
    ///
    /// # Examples
    /// ```
    /// # use std::time::UNIX_EPOCH;
    /// use cloakroom::{Owner, store::Meta};
    ///
    /// let meta = Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH).with_owner(Owner::from("ada"));
    /// assert_eq!(meta.owner, Some(Owner::from("ada")));
    /// ```
    pub fn with_owner(self, owner: impl Into<Option<Owner>>) -> Self {
        Self {
            owner: owner.into(),
            ..self
        }
    }

    /// Sets the label, or removes it with `None`.
    ///
    /// # Examples
    /// ```
    /// # use std::time::UNIX_EPOCH;
    /// use cloakroom::store::Meta;
    ///
    /// let meta = Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH).with_label(Box::from("phone"));
    /// assert_eq!(meta.label.as_deref(), Some("phone"));
    /// ```
    pub fn with_label(self, label: impl Into<Option<Box<str>>>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }
}

/// The outcome of a conditional write.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Outcome {
    /// The entry was written and now has this version.
    Written(Version),
    /// Nothing was changed. In [`create`](crate::store::Store::create), the key is taken. In every
    /// other write, the entry is missing or does not have the expected version. For a
    /// [`rename`](crate::store::Store::rename), another possible reason is that the new key is
    /// taken.
    Stale,
}

impl Outcome {
    /// Returns the version of the entry, or `None` if the entry was not written.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::{Outcome, SaveId, Version};
    ///
    /// let version = Version::from(SaveId::new(7));
    /// assert_eq!(Outcome::Written(version.clone()).written(), Some(version));
    /// assert_eq!(Outcome::Stale.written(), None);
    /// ```
    pub fn written(self) -> Option<Version> {
        match self {
            Self::Written(version) => Some(version),
            Self::Stale => None,
        }
    }
}

/// One entry in a list that a store returns: its key and facts, without its data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OwnedEntry {
    /// The key of the entry.
    pub key: StoreKey,
    /// The facts of the session.
    pub meta: Meta,
}

impl OwnedEntry {
    /// Creates an entry of a list.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::StoreKey;
    /// use cloakroom::store::OwnedEntry;
    ///
    /// # let draft = cloakroom_testkit::conformance::draft(7);
    /// let listed = OwnedEntry::new(StoreKey::new(&[7; 32]), draft.meta);
    /// assert_eq!(listed.key, StoreKey::new(&[7; 32]));
    /// ```
    pub fn new(key: StoreKey, meta: Meta) -> Self {
        Self { key, meta }
    }
}
