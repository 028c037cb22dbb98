use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut};
use cloakroom::store::{Draft, Entry, Meta, Version};

use super::only::{Facts, Only, VersionId, version_id};
use crate::conformance::sample::now;

/// A store that keeps bytes under a text, for as long as they are to live, and nothing else of an entry, as the suite
/// needs it.
///
/// Such a store has somebody else's cache, Django's for instance. It is held to every promise about what it does keep:
/// what is there, its data to the last byte, and which writes are stale. Between the two stands this:
///
/// * Lookups become keys of 32 letters and digits.
/// * Data gets a number in front, eight bytes, by which the facts of the draft are remembered here.
/// * Every draft and every touch has two weeks to live, and the times of a touch are remembered once it is done. What
///   the store says has expired, has.
///
/// The promises that are about times, owners and labels hold for anything behind this. Let the store have tests of its own
/// for how long it keeps what it is given, and for what it answers to odd lookups and to a draft that has an owner.
///
/// # Examples
/// ```
/// # use cloakroom::store::MemoryStore as Cache;
/// use cloakroom_testkit::conformance::OnlyBytes;
///
/// cloakroom_testkit::conformance!(cache, OnlyBytes::new(Cache::new()), swept_by_backend);
/// ```
pub type OnlyBytes<S> = Only<S, BytesFacts>;

/// The facts of what was written, by the number in front of the data.
#[derive(Default)]
pub struct BytesFacts {
    /// What a draft with this number said.
    written: HashMap<u64, Meta>,
    /// What the last touch of this version said.
    touched: HashMap<VersionId, (SystemTime, SystemTime)>,
}

impl Facts for BytesFacts {
    fn max_size(of_store: usize) -> usize {
        of_store - NUMBER_LEN
    }

    fn reduce(&mut self, new: &Draft) -> Draft {
        let number = new.save_id.get();
        self.written.insert(number, new.meta.clone());
        let mut data = Vec::with_capacity(NUMBER_LEN + new.data.len());
        data.put_u64(number);
        data.put_slice(&new.data);
        Draft {
            data: data.into(),
            meta: two_weeks(),
            save_id: new.save_id,
        }
    }

    fn restore(&self, mut entry: Entry) -> Entry {
        let Ok(number) = entry.data.try_get_u64() else {
            return entry;
        };
        if let Some(written) = self.written.get(&number)
            && entry.meta.expires > now()
        {
            entry.meta = written.clone();
            if let Some(times) = self.touched.get(&version_id(&entry.version)) {
                (entry.meta.touched, entry.meta.expires) = *times;
            }
        }
        entry
    }

    fn before_touch(&mut self, _seen: &Version, _touch: &Meta) -> Meta {
        two_weeks()
    }

    /// Remembered once it is done, since nothing that is loaded would tell.
    fn after_touch(&mut self, version: &Version, touch: &Meta) {
        let times = (touch.touched, touch.expires);
        self.touched.insert(version_id(version), times);
    }
}

fn two_weeks() -> Meta {
    Meta {
        created: now(),
        touched: now(),
        expires: now() + Duration::from_secs(14 * 24 * 60 * 60),
        owner: None,
        label: None,
    }
}

const NUMBER_LEN: usize = size_of::<u64>();
