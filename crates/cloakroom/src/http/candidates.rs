use http::{HeaderMap, header};

use super::cookie::Cookie;

impl Cookie {
    /// The raw values of all cookies of this name, in the order in which the request carries them.
    pub(crate) fn candidates<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'))
            .filter_map(|pair| self.value_of(pair))
    }

    /// The value of a `name=value` pair of the header if the name, byte for byte, is this cookie's.
    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let value = pair
            .trim_ascii()
            .strip_prefix(self.name().as_bytes())?
            .trim_ascii_start()
            .strip_prefix(b"=")?;
        Some(value.trim_ascii_start())
    }
}
