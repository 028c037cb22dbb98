use super::cookie::Cookie;

impl Cookie {
    /// Returns the raw values of all cookies with this name, in the order of the `Cookie` lines.
    pub(crate) fn candidates<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = &'a [u8]> {
        lines
            .into_iter()
            .flat_map(|line| line.split(|&byte| byte == b';'))
            .filter_map(|pair| self.value_of(pair))
    }

    /// Returns the value of a `name=value` pair if the name equals this cookie's, byte for byte.
    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let value = pair
            .trim_ascii()
            .strip_prefix(self.name().as_bytes())?
            .trim_ascii_start()
            .strip_prefix(b"=")?;
        Some(value.trim_ascii_start())
    }
}
