use std::fmt;

use bytes::{Buf, BufMut};

/// A set of the slots of a Cluster.
#[derive(Clone, PartialEq)]
pub(crate) struct Slots(Box<[bool]>);

impl Default for Slots {
    /// Returns the empty set.
    fn default() -> Self {
        Self(vec![false; COUNT].into())
    }
}

impl Slots {
    pub(crate) fn all() -> Self {
        Self(vec![true; COUNT].into())
    }

    /// Adds the slots from `first` to `last`. Ignores numbers that are not those of a slot.
    pub(crate) fn add_range(&mut self, first: u16, last: u16) {
        for slot in first..=last {
            if let Some(slot) = self.0.get_mut(usize::from(slot)) {
                *slot = true;
            }
        }
    }

    pub(crate) fn add(&mut self, others: &Self) {
        self.update(others, |this, other| this || other);
    }

    pub(crate) fn remove(&mut self, others: &Self) {
        self.update(others, |this, other| this && !other);
    }

    /// Removes every slot that is not in `others`.
    pub(crate) fn intersect(&mut self, others: &Self) {
        self.update(others, |this, other| this && other);
    }

    pub(crate) fn is_subset(&self, others: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&others.0);
        pairs.all(|(this, other)| !this || *other)
    }

    #[cfg(any(test, feature = "cluster"))]
    pub(crate) fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot)).is_some_and(|slot| *slot)
    }

    /// Returns the first slot that is not in the set.
    pub(crate) fn first_missing(&self) -> Option<u16> {
        (0..).zip(&self.0).find(|(_, slot)| !**slot).map(|(n, _)| n)
    }

    /// Appends the set to `bytes`: the number of its ranges, and the first and the last slot of
    /// each range.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        let ranges = self.ranges();
        bytes.put_u16(u16::try_from(ranges.len()).expect("there are fewer ranges than slots"));
        for (first, last) in ranges {
            bytes.put_u16(first);
            bytes.put_u16(last);
        }
    }

    /// Splits a set off the front of `bytes`, or returns `None` if there is none.
    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let mut slots = Self::default();
        for _ in 0..bytes.try_get_u16().ok()? {
            let (first, last) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
            slots.add_range(first, last);
        }
        Some(slots)
    }

    fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for (slot, _) in (0..).zip(&self.0).filter(|(_, slot)| **slot) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }

    fn update(&mut self, others: &Self, combine: impl Fn(bool, bool) -> bool) {
        for (this, other) in self.0.iter_mut().zip(&others.0) {
            *this = combine(*this, *other);
        }
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

/// The number of slots of every Cluster.
const COUNT: usize = 16_384;
