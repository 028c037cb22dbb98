/// The behaviour in which formats differ. The default is that of
/// [`DefaultFormat`](super::DefaultFormat).
///
/// # Examples
/// ```
/// use cloakroom::format::{FormatRules, OnUnknownKey};
///
/// let mut rules = FormatRules::default();
/// assert_eq!(rules.unknown_key, OnUnknownKey::LeaveCookie);
/// rules.unknown_key = OnUnknownKey::RemoveCookie;
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct FormatRules {
    /// What happens if an entry cannot be read.
    pub corrupt: OnCorrupt,
    /// What happens to a cookie whose session does not exist or has expired.
    pub unknown_key: OnUnknownKey,
    /// What happens to an entry that was loaded and has expired.
    pub expired: OnExpired,
    /// Which of several cookies with the same name is used.
    pub duplicates: OnDuplicates,
    /// How the tag of a session, its short public id, is derived.
    pub tags: Tags,
    /// Which facts of a session are stored beside its data.
    pub facts: Facts,
}

/// What happens if an entry cannot be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnCorrupt {
    /// The request has no session. The next write creates a session under a new key, and the
    /// unreadable entry stays until it is swept.
    #[default]
    StartAfresh,
    /// The request has an empty session under the same key. The next write replaces the entry.
    KeepKey,
}

/// What happens to a cookie whose session does not exist or has expired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnUnknownKey {
    /// The cookie is left alone. A late response therefore cannot remove the cookie that a login
    /// set in the meantime.
    #[default]
    LeaveCookie,
    /// The cookie is removed. A cookie whose value cannot be a key is removed even if the request
    /// does not open its session.
    RemoveCookie,
}

/// What happens to an entry that was loaded and has expired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnExpired {
    /// The entry stays until it is swept.
    #[default]
    LeaveEntry,
    /// The entry is deleted.
    DeleteEntry,
}

/// Which of several cookies with the same name is used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnDuplicates {
    /// The only cookie that opens a live session. A browser sends several cookies if the site has
    /// changed the attributes of its cookie; usually, only one of the sessions is still alive.
    ///
    /// Up to four different keys are loaded, within the time limit of a single store call. If
    /// several keys open live sessions, or if there are more than four keys, no cookie is used: an
    /// attacker may have set any of them. The live sessions are ended when the visitor gets a new
    /// session or logs out, so that the next request finds one live session at most.
    #[default]
    Refuse,
    /// Of the cookies with the current name, the one that the browser sent last. If there is none,
    /// an [earlier name](crate::Cookie::formerly) of the cookie is used in the same way, the most
    /// recent name first.
    Last,
}

/// How the tag of a session, its short public id, is derived.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Tags {
    /// The tag is the beginning of the store key, so a store can find the session by its tag.
    #[default]
    Prefix,
    /// The tag is the beginning of the SHA-256 of the store key. For formats whose store key is the
    /// secret key in the cookie, since a tag must not show a part of that key.
    Hash,
}

/// Which facts of a session are stored beside its data.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Facts {
    /// All of them: the times when the session began, was last touched and expires, its owner and
    /// its label.
    #[default]
    All,
    /// Only the time when the session expires. There is no owner, no label and no absolute
    /// lifetime, and a login only gives the session a new key.
    Expiry,
    /// No fact that a program can read. The server that keeps the entries stores their expiry
    /// internally, and deletes the entries at that time.
    Nothing,
}

impl Facts {
    /// Returns whether all facts are stored, and not only the expiry.
    pub(crate) fn are_all(self) -> bool {
        self == Self::All
    }
}
