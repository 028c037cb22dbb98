use std::time::SystemTime;

use super::clock::{LAST_MILLI, from_millis};
use super::entry::Meta;
use super::key::StoreKey;
use super::owner::Owner;

/// A marker that stays for a short time at the old key of a session that has moved to a new key.
///
/// A login gives the session a new key. A request that the browser sent before it received the new
/// key still carries the old one. The tombstone shows that the session of this request has moved.
/// Without a tombstone, the request could start a new session, and the cookie of that session would
/// replace the cookie of the login.
///
/// # Examples
/// ```
/// use cloakroom::format::{DefaultFormat, Format};
/// use cloakroom::store::Tombstone;
/// use cloakroom::{Owner, StoreKey};
///
/// let tombstone = Tombstone::new(StoreKey::new(&[7; 32]), Some(Owner::from("ada")));
///
/// let bytes = DefaultFormat::new().encode_tombstone(&tombstone)?.expect("this format keeps them");
/// assert_eq!(DefaultFormat::new().decode_tombstone(&bytes)?, tombstone);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tombstone {
    /// The key to which the session has moved.
    pub successor: StoreKey,
    /// The owner of the session after the move.
    pub owner: Option<Owner>,
}

impl Tombstone {
    /// Creates the tombstone of a session that has moved to `successor`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::StoreKey;
    /// use cloakroom::store::Tombstone;
    ///
    /// let tombstone = Tombstone::new(StoreKey::new(&[7; 32]), None);
    /// assert_eq!(tombstone.successor, StoreKey::new(&[7; 32]));
    /// ```
    pub fn new(successor: StoreKey, owner: Option<Owner>) -> Self {
        Self { successor, owner }
    }
}

impl Meta {
    /// The `created` time of every tombstone, in milliseconds since 1970. It is the latest time
    /// that a store can keep. No session has it.
    pub const TOMBSTONE_CREATED: i64 = LAST_MILLI;

    /// Creates the facts of a [`Tombstone`] that is kept until `expires`.
    ///
    /// The facts have no owner, so that a list of an owner's sessions does not contain the
    /// tombstone. Their `created` time is [`TOMBSTONE_CREATED`](Self::TOMBSTONE_CREATED).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::{Meta, from_millis};
    ///
    /// let (now, in_a_minute) = (from_millis(1_000), from_millis(61_000));
    /// assert!(Meta::tombstone(now, in_a_minute).is_tombstone());
    /// assert!(!Meta::new(now, now, in_a_minute).is_tombstone());
    /// ```
    pub fn tombstone(now: SystemTime, expires: SystemTime) -> Self {
        Self::new(from_millis(Self::TOMBSTONE_CREATED), now, expires)
    }

    /// Returns whether the entry is a [`Tombstone`] and not a session.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::{Meta, from_millis};
    ///
    /// let at = from_millis(1_000);
    /// assert!(Meta::tombstone(at, at).is_tombstone());
    /// assert!(!Meta::new(at, at, at).is_tombstone());
    /// ```
    pub fn is_tombstone(&self) -> bool {
        self.created == from_millis(Self::TOMBSTONE_CREATED)
    }
}
