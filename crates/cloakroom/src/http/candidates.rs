use memchr::memchr;

use super::cookie::Cookie;

/// A set of cookies of a site, current and former. Each cookie is identified by its number in
/// [`Cookie::accepted`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct CookieSet(u8);

impl CookieSet {
    /// The cookie that the site sets now.
    pub(crate) const CURRENT: Self = Self(1);

    pub(crate) fn has_current(self) -> bool {
        self.contains(0)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn contains(self, number: usize) -> bool {
        self.0 & 1 << number != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the lowest number in the set: that of the current cookie if the set contains it, or
    /// else that of the latest former cookie.
    pub(crate) fn first(self) -> u32 {
        self.0.trailing_zeros()
    }
}

impl Cookie {
    /// Finds every `name=value` pair in the `Cookie` lines whose name is that of this cookie or of
    /// one of its former cookies. Calls `each` once for each pair, in the order of the pairs. The
    /// arguments are the set of the cookies that have the name of the pair, and the raw value.
    pub(crate) fn for_each_candidate<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a [u8]>,
        mut each: impl FnMut(CookieSet, &'a [u8]),
    ) {
        for line in lines {
            let mut rest = Some(line);
            while let Some(pairs) = rest {
                let end = memchr(b';', pairs);
                let pair = &pairs[..end.unwrap_or(pairs.len())];
                if let Some((names, value)) = self.accept(pair.trim_ascii_start()) {
                    each(names, value);
                }
                rest = end.map(|end| &pairs[end + 1..]);
            }
        }
    }

    fn accept<'a>(&self, pair: &'a [u8]) -> Option<(CookieSet, &'a [u8])> {
        let mut found = self.value_of(pair).map(|value| (CookieSet::CURRENT, value));
        for (index, former) in self.former().iter().enumerate() {
            if let Some(value) = former.value_of(pair) {
                let (names, _) = found.get_or_insert_with(|| (CookieSet::default(), value));
                names.add(CookieSet(2 << index));
            }
        }
        found
    }

    /// Returns the value of a `name=value` pair if the name equals this cookie's, byte for byte.
    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let value = pair
            .strip_prefix(self.name().as_bytes())?
            .trim_ascii_start()
            .strip_prefix(b"=")?;
        Some(value.trim_ascii())
    }
}
