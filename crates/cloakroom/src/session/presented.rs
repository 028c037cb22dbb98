use std::mem;
use std::sync::Arc;

use super::core::Core;
use super::once_per_minute::OncePerMinute;
use crate::backend::Loaded;
use crate::format::{Format, OnDuplicates};
use crate::http::{Cookie, CookieSet};
use crate::model::{Record, Result, SavedEntry, SessionKey};

/// The session cookies that a request presents.
#[derive(Debug, Default)]
pub(crate) struct Presented {
    /// The cookies of the site, current and former, whose names the browser sent. Their values may
    /// be keys or junk.
    names: CookieSet,
    keys: Keys,
}

/// The different keys in the cookies.
#[derive(Debug, Default)]
enum Keys {
    #[default]
    None,
    One(PresentedKey),
    /// Up to `MAX_KEYS`.
    Several(Vec<PresentedKey>),
    TooMany,
}

#[derive(Debug)]
struct PresentedKey {
    key: SessionKey,
    /// The cookies in which the key was sent.
    names: CookieSet,
}

/// What the keys of a request open.
pub(crate) struct Opened {
    /// The live session, if exactly one key opens a live session. If no key does, but a key leads
    /// to the tombstone of a session that has moved, this tombstone.
    pub(crate) session: Loaded<(SavedEntry, Record)>,
    /// The live sessions, if there are several. None of them is used.
    pub(crate) refused: Vec<SavedEntry>,
}

impl Presented {
    /// Reads the session cookies from the request's `Cookie` lines.
    pub(crate) fn read<'a>(
        cookie: &Cookie,
        lines: impl IntoIterator<Item = &'a [u8]>,
        format: &dyn Format,
        duplicates: OnDuplicates,
    ) -> Self {
        let mut presented = Self::default();
        match duplicates {
            OnDuplicates::Refuse => cookie.for_each_candidate(lines, |names, value| {
                presented.names.add(names);
                presented.keys.add(names, value, format);
            }),
            OnDuplicates::Last => {
                let mut last: Option<(CookieSet, &[u8])> = None;
                cookie.for_each_candidate(lines, |names, value| {
                    presented.names.add(names);
                    // A former cookie counts only if no cookie with a more recent name was sent.
                    if last.is_none_or(|(last, _)| names.first() <= last.first()) {
                        last = Some((names, value));
                    }
                });
                if let Some((names, value)) = last {
                    presented.keys.add(names, value, format);
                }
            }
        }
        presented
    }

    pub(crate) fn has_keys(&self) -> bool {
        !matches!(self.keys, Keys::None)
    }

    /// Returns whether the browser sent session cookies, but none that contains a key.
    pub(crate) fn is_junk(&self) -> bool {
        self.is_something() && !self.has_keys()
    }

    pub(crate) fn is_something(&self) -> bool {
        !self.names.is_empty()
    }

    /// Returns the former cookies of `cookie` that the browser may still have: those whose names
    /// the browser has sent, except those that a more recent cookie of the site replaces.
    pub(crate) fn former<'a>(&self, cookie: &'a Cookie) -> impl Iterator<Item = &'a Cookie> {
        let names = self.names;
        let sent = cookie.accepted().enumerate().skip(1);
        sent.filter(move |&(number, former)| {
            let mut later = cookie.accepted().take(number);
            names.contains(number) && !later.any(|later| later.replaces(former))
        })
        .map(|(_, former)| former)
    }

    /// Loads the sessions of all keys.
    pub(crate) async fn open(&self, core: &Arc<Core>) -> Result<Opened> {
        let session = match &self.keys {
            Keys::None => {
                core.sweeper.start(core);
                Loaded::Nothing
            }
            Keys::One(one) if core.cookie.former().is_empty() => {
                let namespace = core.cookie.own_namespace();
                let store_key = core.backend.format().store_key(namespace, &one.key);
                core.open(Some(&one.key), &store_key).await?
            }
            Keys::One(one) => Box::pin(core.open_key(&one.key, one.names)).await?,
            Keys::Several(keys) => {
                return Box::pin(open_all(core, keys)).await;
            }
            Keys::TooMany => {
                warn(core, "they are too many to load, so none is used");
                Loaded::Nothing
            }
        };
        Ok(Opened {
            session,
            refused: Vec::new(),
        })
    }
}

impl Keys {
    fn add(&mut self, names: CookieSet, value: &[u8], format: &dyn Format) {
        let text = format.unquote(value);
        let Some(key) = text.and_then(|text| format.parse_key(&text)) else {
            return;
        };
        let new = PresentedKey { key, names };
        if let Self::None = self {
            // Nearly every browser sends one key.
            *self = Self::One(new);
            return;
        }
        *self = match mem::take(self) {
            Self::None => Self::One(new),
            Self::One(mut known) if known.has_key_of(&new) => {
                known.names.add(names);
                Self::One(known)
            }
            Self::One(known) => Self::Several(vec![known, new]),
            Self::Several(mut keys) => {
                if let Some(known) = keys.iter_mut().find(|known| known.has_key_of(&new)) {
                    known.names.add(names);
                } else {
                    keys.push(new);
                }
                match keys.len() {
                    ..=MAX_KEYS => Self::Several(keys),
                    _ => Self::TooMany,
                }
            }
            Self::TooMany => Self::TooMany,
        };
    }
}

impl PresentedKey {
    fn has_key_of(&self, other: &Self) -> bool {
        self.key.reveal() == other.key.reveal()
    }
}

/// Loads the sessions of several keys. Uses the live session if there is exactly one. If there are
/// several, it uses none, since an attacker may have planted any of them.
async fn open_all(core: &Arc<Core>, keys: &[PresentedKey]) -> Result<Opened> {
    let (mut alive, mut moved) = (Vec::new(), Loaded::Nothing);
    for one in keys {
        match core.open_key(&one.key, one.names).await? {
            Loaded::Session(session) => alive.push(session),
            tombstone @ Loaded::Moved(..) => moved = tombstone,
            Loaded::Nothing => {}
        }
    }
    let used = match alive.len() {
        0 => "none belongs to a live session",
        1 => "only one belongs to a live session, and it is used",
        _ => "several belong to live sessions, so none is used",
    };
    warn(core, used);
    let (session, refused) = match <[_; 1]>::try_from(alive) {
        Ok([session]) => (Loaded::Session(session), Vec::new()),
        Err(alive) if alive.is_empty() => (moved, Vec::new()),
        Err(alive) => {
            let refused = alive.into_iter().map(|(base, _)| base).collect();
            (Loaded::Nothing, refused)
        }
    };
    Ok(Opened { session, refused })
}

fn warn(core: &Core, used: &str) {
    if SEVERAL_KEYS.is_due(core.now()) {
        tracing::warn!(
            cookie = core.cookie.name(),
            "the browser sent several session cookies: {used}; if the cookie of the site has \
             changed, declare the earlier one with `Cookie::formerly`"
        );
    }
}

/// One limit for the whole process, because the warning has the same cause for all visitors.
static SEVERAL_KEYS: OncePerMinute = OncePerMinute::new();

/// The maximum number of different keys that are looked up for one request. A browser has more keys
/// only if an attacker planted them.
const MAX_KEYS: usize = 4;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::*;
    use crate::format::DefaultFormat;

    #[test]
    fn only_a_well_formed_cookie_with_exactly_this_name_is_read() {
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
    fn cookies_with_equal_keys_count_as_one() {
        let (one, other) = ("A".repeat(43), "E".repeat(43));

        assert_eq!(read(&[&format!("sid={one}; sid={one}")]), Some(one.clone()));
        assert_eq!(read(&[&format!("sid={one}; sid=junk")]), Some(one.clone()));
        assert_eq!(read(&[&format!("sid={one}; sid={other}")]), None);
        assert_eq!(
            read(&[&format!("sid={one}"), &format!("sid={other}")]),
            None
        );
    }

    #[test]
    fn up_to_four_keys_are_kept() {
        let key = |letter: &str| letter.repeat(42) + "A";
        let mut sent: Vec<String> = ["A", "B", "C", "D", "A"]
            .map(|letter| format!("sid={}", key(letter)))
            .into();
        assert!(matches!(
            presented(&[&sent.join(";")]).keys,
            Keys::Several(keys) if keys.len() == MAX_KEYS
        ));

        sent.push(format!("sid={}", key("E")));
        let presented = presented(&[&sent.join(";")]);
        assert!(matches!(presented.keys, Keys::TooMany));
        assert!(presented.has_keys() && !presented.is_junk());
    }

    fn read(lines: &[&str]) -> Option<String> {
        match presented(lines).keys {
            Keys::One(one) => Some(one.key.reveal().to_owned()),
            Keys::None | Keys::Several(_) | Keys::TooMany => None,
        }
    }

    fn presented(lines: &[&str]) -> Presented {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        let lines = headers.get_all(header::COOKIE).iter();
        let lines = lines.map(HeaderValue::as_bytes);
        let cookie = Cookie::new("sid");
        Presented::read(&cookie, lines, &DefaultFormat::new(), OnDuplicates::Refuse)
    }
}
