use crate::model::{Key, Lookup, Version};

/// Where an entry is after it was written. On a shelf that carries sessions in their cookies, every write moves it.
pub(crate) struct Written {
    /// `None` if the session was opened by its tag, which does not tell.
    pub(crate) key: Option<Key>,
    pub(crate) lookup: Lookup,
    pub(crate) version: Version,
}

impl Written {
    pub(super) fn new(key: Key, lookup: Lookup, version: Version) -> Self {
        Self {
            key: Some(key),
            lookup,
            version,
        }
    }
}
