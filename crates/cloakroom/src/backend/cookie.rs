use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::format::{DefaultFormat, Format, FormatRules, Tags};
use crate::model::{
    Draft, Entry, EntryRef, Error, ErrorKind, Meta, Result, SaveId, SessionData, SessionKey,
    StoreKey,
};
use crate::store::{Guarantees, packed};

/// Sessions that live in the visitor's browser: the cookie carries the whole state, sealed.
///
/// Nothing is kept on the server, so there is nothing to run and nothing to sweep, and any number of servers with the
/// same secret share the sessions. Visitors can neither read nor change what is in their cookie.
///
/// **Guarantees**: durable and shared. It does not **compare**: of two parallel requests of one visitor the browser
/// keeps the answer that arrives last, and the other's edits are lost, `update` included. It does not **revoke**: a
/// logout removes the cookie from the browser, and whoever copied it before can use the copy until it expires. It
/// knows no **owners**. For a shopping cart that is a fair price; for a login it seldom is.
///
/// **Its worst day**: the secret gets known. Then anybody can make any session; change the secret and name no
/// fallback.
///
/// # Examples
/// ```
/// use cloakroom::{CookieBackend, Sessions};
///
/// let secret = [7; 32]; // from a file or the environment: 32 bytes or more that nobody can guess
/// let sessions = Sessions::new(CookieBackend::new(&secret)?);
///
/// // The secret was changed; cookies of before are still read, and sealed anew when they are next written.
/// let sessions = Sessions::new(CookieBackend::new(&[8; 32])?.fallback(&secret)?);
/// # Ok::<(), cloakroom::Error>(())
/// ```
///
/// # Format
/// The cookie's value is base64url without padding (RFC 4648 §5) of
///
/// * a byte `2`, the version of this format,
/// * 4 bytes that name the secret,
/// * 24 random bytes, the nonce,
/// * the sealed text: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), with the first 5 bytes and the name of the
///   cookie as additional data, so that a cookie is good for its own name only.
///
/// The key and the name of a secret are HKDF-SHA256 (RFC 5869) of it, without salt, with the info
/// `cloakroom carried key` and `cloakroom carried name`. The text is the session as
/// [`store::packed`](crate::store::packed) has it, with the data of
/// [`DefaultFormat`](crate::format::DefaultFormat).
///
/// A cookie of another version of this format is not read, and its visitor starts a new session.
#[derive(Clone)]
pub struct CookieBackend {
    envelope: Envelope,
    cookie_name: Arc<str>,
}

impl CookieBackend {
    /// Sessions sealed with this secret.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if it has fewer than 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self> {
        Ok(Self {
            envelope: Envelope::Sealed(Arc::new(vec![SealingSecret::new(secret)?])),
            cookie_name: "".into(),
        })
    }

    /// Sessions in the bytes of this format, which are the cookie's value as they are. The format must sign them, and
    /// say in [`complete`](Format::complete) when they end; visitors can read what is in their cookie.
    pub fn unsealed(format: impl Format) -> Self {
        Self {
            envelope: Envelope::None(Arc::new(format)),
            cookie_name: "".into(),
        }
    }

    /// Reads what was sealed with this older secret, too.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if the sessions are not sealed.
    pub fn fallback(mut self, secret: &[u8]) -> Result<Self> {
        match &mut self.envelope {
            Envelope::Sealed(secrets) => {
                Arc::make_mut(secrets).push(SealingSecret::new(secret)?);
                Ok(self)
            }
            Envelope::None(_) => Err(Error::new(
                ErrorKind::Config,
                "naming a fallback for a secret: these sessions are not sealed; their format has the secrets",
            )),
        }
    }

    pub(super) fn format(&self) -> &dyn Format {
        match &self.envelope {
            Envelope::Sealed(_) => &Sealed,
            Envelope::None(format) => &**format,
        }
    }

    pub(super) fn set_cookie_name(&mut self, name: &str) {
        self.cookie_name = name.into();
    }

    pub(super) fn guarantees(&self) -> Guarantees {
        let text = MAX_COOKIE_BYTES.saturating_sub(self.cookie_name.len() + "=".len());
        let max_size = match &self.envelope {
            Envelope::Sealed(_) => (text / 4 * 3).saturating_sub(OVERHEAD),
            Envelope::None(_) => text,
        };
        Guarantees::default().durable().shared().max_size(max_size)
    }

    /// What is in the cookie, if it was sealed here.
    pub(super) fn open(&self, key: &StoreKey) -> Option<Entry> {
        let (meta, data) = match &self.envelope {
            Envelope::Sealed(secrets) => self.unseal(secrets, key.as_bytes())?,
            Envelope::None(_) => (unknown(), Bytes::copy_from_slice(key.as_bytes())),
        };
        // Its version is never compared.
        Some(Entry::new(data, meta, SaveId::new(0).into()))
    }

    pub(super) fn seal(&self, draft: &Draft) -> Result<EntryRef> {
        let value = match &self.envelope {
            Envelope::Sealed(secrets) => self.sealed(secrets, draft)?,
            Envelope::None(_) => String::from_utf8(draft.data.to_vec()).map_err(|source| {
                let what = "writing a session into its cookie: its format writes no text";
                Error::new(ErrorKind::BadValue, what).with_source(source.utf8_error())
            })?,
        };
        let size = self.cookie_name.len() + "=".len() + value.len();
        if size > MAX_COOKIE_BYTES {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "writing a session into its cookie: that would have {size} bytes, and browsers drop more than \
                     {MAX_COOKIE_BYTES}; keep large things elsewhere, or sessions in a store"
                ),
            ));
        }
        let key = SessionKey::new(&value);
        let store_key = StoreKey::new(value.as_bytes());
        Ok(EntryRef::new(key, store_key, draft.version()))
    }

    /// Writes what is in the cookie anew, with other times.
    pub(super) fn touch(&self, key: &StoreKey, meta: &Meta) -> Result<Option<EntryRef>> {
        let Some(entry) = self.open(key) else {
            return Ok(None);
        };
        let format = self.format();
        let session_data = format.decode(&entry.data)?;
        let draft = Draft {
            data: format.encode(&session_data, meta.touched)?,
            meta: meta.clone(),
            save_id: SaveId::new(0),
        };
        self.seal(&draft).map(Some)
    }

    fn unseal(&self, secrets: &[SealingSecret], value: &[u8]) -> Option<(Meta, Bytes)> {
        let sealed = BASE64URL_NOPAD.decode(value).ok()?;
        let (head, rest) = sealed.split_at_checked(HEAD_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
        let (&version, name) = head.split_first()?;
        let secret = secrets.iter().find(|secret| secret.name == *name)?;
        let additional = self.additional(head);
        let payload = Payload {
            msg: sealed,
            aad: &additional,
        };
        let nonce = XNonce::try_from(nonce).ok()?;
        let text = secret.cipher.decrypt(&nonce, payload).ok()?;
        if version != VERSION {
            return None;
        }
        let draft = packed::read(text.into())?;
        Some((draft.meta, draft.data))
    }

    fn sealed(&self, secrets: &[SealingSecret], draft: &Draft) -> Result<String> {
        let secret = secrets.first().expect("made with one");
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|source| {
            let what = "sealing a session: the operating system gives no random numbers";
            Error::new(ErrorKind::Random, what).with_source(source)
        })?;
        let mut sealed = vec![VERSION];
        sealed.extend(secret.name);
        let additional = self.additional(&sealed);
        let mut text = Vec::new();
        packed::put(&mut text, draft)?;
        let payload = Payload {
            msg: &text,
            aad: &additional,
        };
        let text = secret.cipher.encrypt(&XNonce::from(nonce), payload);
        sealed.extend(nonce);
        sealed.extend(text.expect("a session is shorter than 256 GiB"));
        Ok(BASE64URL_NOPAD.encode(&sealed))
    }

    fn additional(&self, head: &[u8]) -> Vec<u8> {
        [head, self.cookie_name.as_bytes()].concat()
    }
}

impl fmt::Debug for CookieBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = match &self.envelope {
            Envelope::Sealed(secrets) => secrets.len(),
            Envelope::None(_) => 0,
        };
        f.debug_struct("Carried")
            .field("secrets", &secrets)
            .finish_non_exhaustive()
    }
}

/// What keeps the visitor from reading and changing what is in the cookie.
#[derive(Clone)]
enum Envelope {
    Sealed(Arc<Vec<SealingSecret>>),
    /// The format's own signature, and nothing against reading.
    None(Arc<dyn Format>),
}

/// Cloakroom's own format where the key is what is sealed.
struct Sealed;

impl Format for Sealed {
    fn rules(&self) -> FormatRules {
        FormatRules {
            tags: Tags::Hash,
            ..FormatRules::default()
        }
    }

    /// Nobody asks for one: sealing makes it.
    fn new_key(&self) -> Result<SessionKey> {
        DefaultFormat::new().new_key()
    }

    /// Whether it may be something that was sealed here; nothing is opened yet.
    fn parse_key(&self, text: &str) -> Option<SessionKey> {
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (text.len() <= MAX_COOKIE_BYTES && text.len() > OVERHEAD && text.bytes().all(alphabet))
            .then(|| SessionKey::new(text))
    }

    fn store_key(&self, key: &SessionKey) -> StoreKey {
        StoreKey::new(key.reveal().as_bytes())
    }

    fn encode(&self, session_data: &SessionData, now: SystemTime) -> Result<Bytes> {
        DefaultFormat::new().encode(session_data, now)
    }

    fn decode(&self, data: &Bytes) -> Result<SessionData> {
        DefaultFormat::new().decode(data)
    }
}

/// Facts of which the envelope says nothing: an entry is not alive before its format says so.
fn unknown() -> Meta {
    Meta {
        created: UNIX_EPOCH,
        touched: UNIX_EPOCH,
        expires: UNIX_EPOCH,
        owner: None,
        label: None,
    }
}

#[derive(Clone)]
struct SealingSecret {
    name: [u8; NAME_BYTES],
    cipher: XChaCha20Poly1305,
}

impl SealingSecret {
    fn new(secret: &[u8]) -> Result<Self> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "sealing sessions: the secret has {} bytes; it needs {MIN_SECRET_BYTES} that nobody can guess",
                    secret.len()
                ),
            ));
        }
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        let mut name = [0; NAME_BYTES];
        let mut key = [0; 32];
        for (info, bytes) in [("name", &mut name[..]), ("key", &mut key[..])] {
            hkdf.expand_multi_info(&[b"cloakroom carried ", info.as_bytes()], bytes)
                .expect("shorter than 255 hashes");
        }
        Ok(Self {
            name,
            cipher: XChaCha20Poly1305::new(&key.into()),
        })
    }
}

const VERSION: u8 = 2;

const MIN_SECRET_BYTES: usize = 32;

/// Names a secret: enough to tell a site's few secrets apart.
const NAME_BYTES: usize = 4;
const HEAD_BYTES: usize = 1 + NAME_BYTES;
const NONCE_BYTES: usize = 24;
const MAC_BYTES: usize = 16;

/// What a cookie has besides data, owner and label.
const OVERHEAD: usize = HEAD_BYTES + NONCE_BYTES + MAC_BYTES + packed::EMPTY;

/// Name, `=` and value: browsers ignore a cookie that is longer (RFC 6265bis, section 5.6).
const MAX_COOKIE_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn a_cookie_of_the_first_version_is_no_session() {
        let backend = CookieBackend::new(&[7; 32]).unwrap();
        let Envelope::Sealed(secrets) = &backend.envelope else {
            unreachable!("it has a secret");
        };
        // Created, touched and expires; no owner, no label; the data.
        let old = [&[0; 24][..], &[0, 0], b"{}"].concat();
        let mut packed = Vec::new();
        packed::put(&mut packed, &draft()).unwrap();
        let sealed = |version: u8, text: &[u8]| {
            let head = [&[version][..], &secrets[0].name].concat();
            let nonce = [0; NONCE_BYTES];
            let payload = Payload {
                msg: text,
                aad: &backend.additional(&head),
            };
            let text = secrets[0].cipher.encrypt(&XNonce::from(nonce), payload);
            let cookie = [&head[..], &nonce, &text.unwrap()].concat();
            StoreKey::new(BASE64URL_NOPAD.encode(&cookie).as_bytes())
        };

        assert!(backend.open(&sealed(1, &old)).is_none());
        assert!(backend.open(&sealed(1, &packed)).is_none());
        assert!(backend.open(&sealed(VERSION, &old)).is_none());
        assert!(backend.open(&sealed(VERSION, &packed)).is_some());
    }

    fn draft() -> Draft {
        Draft {
            data: Bytes::from_static(b"{}"),
            meta: Meta {
                created: from_millis(1),
                touched: from_millis(2),
                expires: from_millis(3),
                owner: None,
                label: None,
            },
            save_id: SaveId::new(7),
        }
    }
}
