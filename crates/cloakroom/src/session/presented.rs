use crate::format::{Format, OnDuplicates};
use crate::http::Cookie;
use crate::model::SessionKey;

/// The session cookie that a request presents.
#[derive(Debug)]
pub(crate) enum Presented {
    /// No cookie of this name.
    Nothing,
    /// A cookie that is not a key, or several cookies with different values.
    Junk,
    Key(SessionKey),
}

impl Presented {
    /// Reads the session cookie from the request's `Cookie` lines.
    pub(crate) fn read<'a>(
        cookie: &Cookie,
        lines: impl IntoIterator<Item = &'a [u8]>,
        format: &dyn Format,
    ) -> Self {
        let mut candidates = cookie.candidates(lines);
        let Some(first) = candidates.next() else {
            return Self::Nothing;
        };
        let value = match format.rules().duplicates {
            OnDuplicates::Last => candidates.last().unwrap_or(first),
            OnDuplicates::Refuse
                if candidates.all(|other| format.unquote(other) == format.unquote(first)) =>
            {
                first
            }
            OnDuplicates::Refuse => {
                tracing::warn!(
                    cookie = cookie.name(),
                    "the browser sent several session cookies with different values: none is used"
                );
                return Self::Junk;
            }
        };
        let text = format.unquote(value);
        text.and_then(|text| format.parse_key(&text))
            .map_or(Self::Junk, Self::Key)
    }

    pub(crate) fn key(&self) -> Option<&SessionKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Nothing | Self::Junk => None,
        }
    }

    pub(crate) fn is_junk(&self) -> bool {
        matches!(self, Self::Junk)
    }

    pub(crate) fn is_something(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::*;
    use crate::format::DefaultFormat;

    #[test]
    fn one_well_formed_cookie_of_exactly_this_name_is_read() {
        let key = "A".repeat(43);
        let read = |header: &str| read(&[header]);

        assert_eq!(read(&format!("sid={key}")), Some(key.clone()));
        assert_eq!(read(&format!("a=b; sid={key}; c")), Some(key.clone()));
        assert_eq!(read(&format!(" ;;sid=\"{key}\";")), Some(key.clone()));
        for header in [
            format!("Sid={key}"),
            format!("%73id={key}"),
            format!("xsid={key}"),
            format!("sid2={key}"),
            format!("sid {key}"),
            "sid=short".to_owned(),
            "sid=".to_owned(),
            format!("sid={}", "A".repeat(1 << 16)),
        ] {
            assert_eq!(read(&header), None, "{header:.60}");
        }
    }

    #[test]
    fn several_session_cookies_count_only_if_their_values_are_equal() {
        let (one, other) = ("A".repeat(43), "E".repeat(43));

        assert_eq!(read(&[&format!("sid={one}; sid={one}")]), Some(one.clone()));
        assert_eq!(read(&[&format!("sid={one}; sid={other}")]), None);
        assert_eq!(read(&[&format!("sid={other}; sid={one}")]), None);
        assert_eq!(
            read(&[&format!("sid={one}"), &format!("sid={other}")]),
            None
        );
        assert_eq!(read(&[&format!("sid={one}; sid=junk")]), None);
    }

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        let lines = headers.get_all(header::COOKIE).iter();
        let lines = lines.map(HeaderValue::as_bytes);
        match Presented::read(&Cookie::new("sid"), lines, &DefaultFormat::new()) {
            Presented::Key(key) => Some(key.reveal().to_owned()),
            Presented::Nothing | Presented::Junk => None,
        }
    }
}
