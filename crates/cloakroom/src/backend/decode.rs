use sha2::{Digest, Sha256};

use crate::format::{Format, OnCorrupt, Tags};
use crate::model::{Contents, Entry, ErrorKind, Held, Lookup, Result, Tag, Version};

/// What a store's answer says in this format.
pub(super) fn unpack(
    format: &dyn Format,
    at: &Lookup,
    loaded: Result<Option<Entry>>,
) -> Result<Option<(Held, Version)>> {
    let Entry {
        data,
        mut meta,
        version,
    } = match loaded {
        Ok(Some(entry)) => entry,
        Ok(None) => return Ok(None),
        // The store itself cannot read what it has there: nobody can, so there is no session.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            format.log_corrupt(&tag(format, at), &error);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let contents = match format.decode(&data) {
        Ok(contents) => contents,
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            format.log_corrupt(&tag(format, at), &error);
            match format.rules().corrupt {
                OnCorrupt::StartAfresh => return Ok(None),
                OnCorrupt::KeepKey => Contents::default(),
            }
        }
        Err(error) => return Err(error),
    };
    format.complete(&data, &contents, &mut meta);
    Ok(Some((Held { contents, meta }, version)))
}

/// The short public name of the session at `lookup`.
pub(super) fn tag(format: &dyn Format, lookup: &Lookup) -> Tag {
    match format.rules().tags {
        Tags::Prefix => Tag::of_hash(lookup.as_bytes()),
        Tags::Hash => Tag::of_hash(&Sha256::digest(lookup.as_bytes())),
    }
}
