/// What the core does where formats differ in behaviour. The default is Cloakroom's own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct FormatRules {
    /// What an entry that cannot be read means.
    pub corrupt: OnCorrupt,
    /// What happens to a cookie that names no live session.
    pub unknown_key: OnUnknownKey,
    /// What happens to an entry that was looked up and has expired.
    pub expired: OnExpired,
    /// Which of several cookies of the same name counts.
    pub duplicates: OnDuplicates,
    /// How a session's tag is made.
    pub tags: Tags,
    /// Which of a session's own facts are kept beside its contents.
    pub facts: Facts,
}

/// What an entry that cannot be read means.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnCorrupt {
    /// No session; the next write gets a new key, and the entry stays until it is swept.
    #[default]
    StartAfresh,
    /// An empty session under the same key; the next write replaces the entry.
    KeepKey,
}

/// What happens to a cookie that was looked up and names no live session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnUnknownKey {
    /// It is left alone: a late answer must not remove the cookie of a login that came in between.
    #[default]
    LeaveCookie,
    /// It is removed. So is one that cannot be a key at all, even if nobody looked at the session.
    RemoveCookie,
}

/// What happens to an entry that was looked up and has expired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnExpired {
    /// It waits for the sweep.
    #[default]
    LeaveEntry,
    /// It is deleted.
    DeleteEntry,
}

/// Which of several cookies of the same name counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnDuplicates {
    /// None, unless they all say the same: one of them was put there by somebody else, and nobody can say which.
    #[default]
    Refuse,
    /// The last.
    Last,
}

/// How a session's tag is made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Tags {
    /// It is the beginning of the lookup, so a store can find the session by it.
    #[default]
    Prefix,
    /// It is the beginning of the lookup's SHA-256, where the lookup itself opens the session.
    Hash,
}

/// Which of a session's own facts are kept beside its contents.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Facts {
    /// All of them: when it began and was touched, when it ends, whose it is, what the site calls it.
    #[default]
    All,
    /// When it ends. It has no owner and no label: a login gives it a new key, and that is all. There is no absolute
    /// lifetime.
    Expiry,
    /// None that can be read back: when it ends is known only to the backend, which drops it then.
    Nothing,
}

impl Facts {
    /// Whether there is a place for an owner, a label and the session's beginning.
    pub(crate) fn are_all(self) -> bool {
        self == Self::All
    }
}
