//! Meta and data in one piece of bytes, for where a session is kept as one value.
//!
//! Created, touched and expires in milliseconds since 1970, each 8 bytes; owner and label, each with a byte `1` and
//! its length in 4 bytes in front, or a byte `0` if there is none; and the data. Numbers are big-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::model::{Meta, Owner, from_millis, millis};

pub(super) fn write(packed: &mut BytesMut, meta: &Meta, data: &[u8]) {
    for time in [meta.created, meta.touched, meta.expires] {
        packed.put_i64(millis(time));
    }
    let owner = meta.owner.as_ref().map(Owner::as_str);
    for part in [owner, meta.label.as_deref()] {
        match part {
            Some(part) => {
                packed.put_u8(1);
                packed.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
                packed.put_slice(part.as_bytes());
            }
            None => packed.put_u8(0),
        }
    }
    packed.put_slice(data);
}

/// What [`write`] wrote; `None` if it is something else.
pub(super) fn read(mut packed: Bytes) -> Option<(Meta, Bytes)> {
    let mut times = [0; 3];
    for time in &mut times {
        *time = packed.try_get_i64().ok()?;
    }
    let mut parts = [None, None];
    for part in &mut parts {
        if packed.try_get_u8().ok()? == 1 {
            let len = usize::try_from(packed.try_get_u32().ok()?).ok()?;
            let text = (len <= packed.len()).then(|| packed.split_to(len))?;
            *part = Some(String::from_utf8(text.into()).ok()?);
        }
    }
    let [created, touched, expires] = times.map(from_millis);
    let [owner, label] = parts;
    let meta = Meta {
        created,
        touched,
        expires,
        owner: owner.map(Owner::from),
        label: label.map(Into::into),
    };
    Some((meta, packed))
}
