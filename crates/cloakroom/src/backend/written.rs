use crate::model::{SessionKey, StoreKey, Version};

/// Where an entry is after it was written. On a shelf that carries sessions in their cookies, every write moves it.
pub(crate) struct Written {
    /// `None` if the session was opened by its tag, which does not tell.
    pub(crate) key: Option<SessionKey>,
    pub(crate) store_key: StoreKey,
    pub(crate) version: Version,
}

impl Written {
    pub(super) fn new(key: SessionKey, store_key: StoreKey, version: Version) -> Self {
        Self {
            key: Some(key),
            store_key,
            version,
        }
    }
}
