use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::format::{Format, OnCorrupt, Tags};
use crate::model::{
    Entry, ErrorKind, Record, Result, SessionData, SessionTag, StoreKey, Tombstone, Version,
};

/// What a store has at a key.
pub(crate) enum Loaded<T> {
    /// A session.
    Session(T),
    /// The tombstone of a session that has moved, and when the tombstone expires.
    Moved(Tombstone, SystemTime),
    /// No session.
    Nothing,
}

impl<T> Loaded<T> {
    /// Returns the session, or `None` if there is none at the key or if it has moved.
    pub(crate) fn session(self) -> Option<T> {
        match self {
            Self::Session(session) => Some(session),
            Self::Moved(..) | Self::Nothing => None,
        }
    }
}

/// Decodes the answer of a store.
pub(super) fn decode(
    format: &dyn Format,
    key: &StoreKey,
    loaded: Result<Option<Entry>>,
) -> Result<Loaded<(Record, Version)>> {
    let Entry {
        data,
        mut meta,
        version,
    } = match loaded {
        Ok(Some(entry)) => entry,
        Ok(None) => return Ok(Loaded::Nothing),
        // The store cannot read its entry, so there is no session.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            format.log_corrupt(&tag(format, key), &error);
            return Ok(Loaded::Nothing);
        }
        Err(error) => return Err(error),
    };
    if meta.is_tombstone() {
        return decode_tombstone(format, key, &data, meta.expires);
    }
    let session_data = match format.decode(&data) {
        Ok(session_data) => session_data,
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            format.log_corrupt(&tag(format, key), &error);
            match format.rules().corrupt {
                OnCorrupt::StartAfresh => return Ok(Loaded::Nothing),
                OnCorrupt::KeepKey => SessionData::default(),
            }
        }
        Err(error) => return Err(error),
    };
    format.complete(&data, &session_data, &mut meta);
    Ok(Loaded::Session((
        Record {
            data: session_data,
            meta,
        },
        version,
    )))
}

#[cold]
fn decode_tombstone<T>(
    format: &dyn Format,
    key: &StoreKey,
    data: &Bytes,
    expires: SystemTime,
) -> Result<Loaded<T>> {
    match format.decode_tombstone(data) {
        Ok(tombstone) => Ok(Loaded::Moved(tombstone, expires)),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            format.log_corrupt(&tag(format, key), &error);
            Ok(Loaded::Nothing)
        }
        Err(error) => Err(error),
    }
}

/// Returns the short public id of the session at `store_key`.
pub(super) fn tag(format: &dyn Format, store_key: &StoreKey) -> SessionTag {
    match format.rules().tags {
        Tags::Prefix => SessionTag::of_hash(store_key.as_bytes()),
        Tags::Hash => SessionTag::of_hash(&Sha256::digest(store_key.as_bytes())),
    }
}
