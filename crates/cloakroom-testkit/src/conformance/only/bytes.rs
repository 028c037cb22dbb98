use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut};
use cloakroom::store::{Draft, Entry, Meta, Version};

use super::only::{Only, Remainder, VersionId, version_id};
use crate::conformance::sample::now;

/// Adapts a store that keeps only an entry's data, as bytes, and its lifetime.
///
/// An example is a store on the cache of a Django site. The suite then tests which entries exist,
/// their data to the last byte, and which writes are stale. This wrapper translates:
///
/// * Store keys become 32 letters and digits.
/// * The wrapper puts a number of eight bytes before the data, and remembers the draft's meta under
///   that number. `max_size` is eight bytes less than that of the store.
/// * Every draft and touch gets a lifetime of two weeks. The wrapper remembers the times of a touch
///   after the store has acknowledged the touch.
///
/// The tests about times, owners, labels and unusual store keys always pass behind this wrapper.
/// Write separate tests for lifetimes, unusual keys, and drafts with an owner.
///
/// # Examples
/// ```
/// # use cloakroom::store::MemoryStore as Cache;
/// use cloakroom_testkit::conformance::OnlyBytes;
///
/// cloakroom_testkit::conformance!(cache, OnlyBytes::new(Cache::new()), swept_by_backend);
/// ```
pub type OnlyBytes<S> = Only<S, BytesRemainder>;

/// The meta of each write, keyed by the number before the data.
#[derive(Default)]
pub struct BytesRemainder {
    /// The meta of each draft, by the number of the draft.
    written: HashMap<u64, Meta>,
    /// The times of the last touch of each version.
    touched: HashMap<VersionId, (SystemTime, SystemTime)>,
}

impl Remainder for BytesRemainder {
    fn max_size(of_store: usize) -> usize {
        of_store - NUMBER_LEN
    }

    fn reduce(&mut self, new: &Draft) -> Draft {
        let number = new.save_id.get();
        self.written.insert(number, new.meta.clone());
        let mut data = Vec::with_capacity(NUMBER_LEN + new.data.len());
        data.put_u64(number);
        data.put_slice(&new.data);
        Draft::new(data.into(), two_weeks(), new.save_id)
    }

    fn restore(&self, mut entry: Entry) -> Entry {
        let Ok(number) = entry.data.try_get_u64() else {
            return entry;
        };
        // If the store returns an expired entry, the entry is not restored, so that the test fails.
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

    /// Remembers the times only after the store has written the touch: a loaded entry does not show
    /// whether the touch was written.
    fn after_touch(&mut self, version: &Version, touch: &Meta) {
        let times = (touch.touched, touch.expires);
        self.touched.insert(version_id(version), times);
    }
}

fn two_weeks() -> Meta {
    Meta::new(now(), now(), now() + Duration::from_secs(14 * 24 * 60 * 60))
}

const NUMBER_LEN: usize = size_of::<u64>();
