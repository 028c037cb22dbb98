use super::cookie::Cookie;

impl Cookie {
    /// The raw values of all cookies of this name, in the order in which the `Cookie` lines carry them.
    pub(crate) fn candidates<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = &'a [u8]> {
        lines
            .into_iter()
            .flat_map(|line| line.split(|&byte| byte == b';'))
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
