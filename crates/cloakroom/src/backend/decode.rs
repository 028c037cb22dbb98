use sha2::{Digest, Sha256};

use crate::format::{Format, OnCorrupt, Tags};
use crate::model::{Entry, ErrorKind, Record, Result, SessionData, SessionTag, StoreKey, Version};

/// Decodes the answer of a store. Returns `None` if there is no session.
pub(super) fn decode(
    format: &dyn Format,
    key: &StoreKey,
    loaded: Result<Option<Entry>>,
) -> Result<Option<(Record, Version)>> {
    let Entry {
        data,
        mut meta,
        version,
        ..
    } = match loaded {
        // The mark of a session that has moved is not a session.
        Ok(Some(entry)) if entry.moved_to().is_none() => entry,
        Ok(_) => return Ok(None),
        // The store cannot read its entry, so there is no session.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            format.log_corrupt(&tag(format, key), &error);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let session_data = match format.decode(&data) {
        Ok(session_data) => session_data,
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            format.log_corrupt(&tag(format, key), &error);
            match format.rules().corrupt {
                OnCorrupt::StartAfresh => return Ok(None),
                OnCorrupt::KeepKey => SessionData::default(),
            }
        }
        Err(error) => return Err(error),
    };
    format.complete(&data, &session_data, &mut meta);
    Ok(Some((
        Record {
            data: session_data,
            meta,
        },
        version,
    )))
}

/// Returns the short public id of the session at `store_key`.
pub(super) fn tag(format: &dyn Format, store_key: &StoreKey) -> SessionTag {
    match format.rules().tags {
        Tags::Prefix => SessionTag::of_hash(store_key.as_bytes()),
        Tags::Hash => SessionTag::of_hash(&Sha256::digest(store_key.as_bytes())),
    }
}
