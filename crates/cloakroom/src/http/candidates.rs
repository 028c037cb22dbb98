use super::cookie::Cookie;

/// A set of the cookies that a site accepts, by their numbers in [`Cookie::accepted`].
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

    /// Returns the lowest number in the set: of the current cookie, or of the latest former one.
    pub(crate) fn first(self) -> u32 {
        self.0.trailing_zeros()
    }
}

impl Cookie {
    /// Returns the raw values of all cookies that this one accepts, in the order of the `Cookie`
    /// lines, each with the set of cookies that have its name.
    pub(crate) fn candidates<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = (CookieSet, &'a [u8])> {
        lines
            .into_iter()
            .flat_map(|line| line.split(|&byte| byte == b';'))
            .filter_map(|pair| self.accept(pair.trim_ascii()))
    }

    fn accept<'a>(&self, pair: &'a [u8]) -> Option<(CookieSet, &'a [u8])> {
        let (mut names, mut value) = (CookieSet::default(), None);
        for (number, cookie) in self.accepted().enumerate() {
            if let Some(sent) = cookie.value_of(pair) {
                names.add(CookieSet(1 << number));
                value = Some(sent);
            }
        }
        Some((names, value?))
    }

    /// Returns the value of a `name=value` pair if the name equals this cookie's, byte for byte.
    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let value = pair
            .strip_prefix(self.name().as_bytes())?
            .trim_ascii_start()
            .strip_prefix(b"=")?;
        Some(value.trim_ascii_start())
    }
}
