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
use crate::http::Cookie;
use crate::model::{
    Draft, Entry, EntryRef, Error, ErrorKind, Meta, Result, SaveId, SessionData, SessionKey,
    StoreKey,
};
use crate::store::{Guarantees, packed};

/// Keeps sessions in the browser: the cookie contains the whole session, encrypted.
///
/// The server keeps nothing, so there is no store to run or to sweep, and all servers with the same
/// secret share the sessions. Visitors can neither read nor change the content of their cookie.
///
/// **Guarantees**: durable and shared.
///
/// * It does not **compare**. Of two parallel responses, the browser keeps the cookie that arrives
///   last; the edits of the other request are lost, even those made with `update`.
/// * It does not **revoke**. A logout removes the cookie from the browser, but a copy of the cookie
///   stays valid until it expires.
/// * It keeps no **owners**.
/// * **A late response can undo a logout.** With
///   [`slide_on_access`](crate::SessionsBuilder::slide_on_access) or
///   [`save_every_request`](crate::SessionsBuilder::save_every_request), a page that only reads
///   sets the cookie again. If the browser receives this page after the response of a logout, the
///   visitor is logged in again. Leave both options off, or keep sessions in a store.
///
/// That is acceptable for a shopping cart, but seldom for a login.
///
/// **The worst case**: the secret leaks. Then anyone can forge any session. Change the secret, and
/// do not add the old one as a [`fallback`](Self::fallback).
///
/// # Examples
/// ```
/// use cloakroom::{CookieBackend, Sessions};
///
/// let secret = [7; 32]; // 32 random bytes or more, from a file or the environment
/// let sessions = Sessions::new(CookieBackend::new(&secret)?);
/// assert!(sessions.guarantees().shared && !sessions.guarantees().revokes);
/// # Ok::<(), cloakroom::Error>(())
/// ```
///
/// # Format
/// The value of the cookie is the base64url encoding without padding (RFC 4648 §5) of
///
/// * a byte `2`, the version of this format,
/// * 4 bytes that identify the secret,
/// * 24 random bytes, the nonce,
/// * the ciphertext of XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). The first 5 bytes and the
///   [namespace](crate::Cookie::namespace) are the additional data, so a cookie is valid only in
///   its own namespace. By default, the namespace is the name of the cookie.
///
/// An older cookie stays valid when a newer one is written. A site that changes its cookie must
/// therefore declare the earlier one with [`Cookie::formerly`](crate::Cookie::formerly): if the
/// browser sends two valid cookies, neither is used, and only a declared cookie is removed.
///
/// HKDF-SHA256 (RFC 5869) without salt derives two values from a secret: the encryption key, with
/// the info `cloakroom carried key`, and the 4 bytes that identify the secret, with the info
/// `cloakroom carried name`. The plaintext is the session as encoded by
/// [`store::packed`](crate::store::packed), with the data in [`DefaultFormat`].
///
/// A cookie in another version of this format is not read; its visitor starts a new session.
#[derive(Clone)]
pub struct CookieBackend {
    envelope: Envelope,
    max_cookie_bytes: usize,
    cookie_name: Arc<str>,
    namespace: Arc<str>,
}

impl CookieBackend {
    /// Creates a backend that encrypts sessions with this secret.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the secret has fewer than 32 bytes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::CookieBackend;
    ///
    /// assert!(CookieBackend::new(&[7; 32]).is_ok());
    /// assert!(CookieBackend::new(b"a password").is_err());
    /// ```
    pub fn new(secret: &[u8]) -> Result<Self> {
        Ok(Self {
            envelope: Envelope::Sealed(Arc::new(vec![SealingSecret::new(secret)?])),
            max_cookie_bytes: DEFAULT_MAX_COOKIE_BYTES,
            cookie_name: "".into(),
            namespace: "".into(),
        })
    }

    /// Creates a backend whose cookie values are the bytes of `format`. They are not encrypted.
    ///
    /// Visitors can read the content of their cookie. The format must sign its bytes, and it must
    /// fill in the expiry of a session in [`complete`](Format::complete). Django's engine
    /// `signed_cookies` works like this.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Backend, CookieBackend};
    ///
    /// # let signed = cloakroom::format::DefaultFormat::new(); // stands for a format that signs
    /// let backend = Backend::from(CookieBackend::unsealed(signed));
    /// assert!(!backend.guarantees().revokes);
    /// ```
    pub fn unsealed(format: impl Format) -> Self {
        Self {
            envelope: Envelope::None(Arc::new(format)),
            max_cookie_bytes: MAX_COOKIE_BYTES,
            cookie_name: "".into(),
            namespace: "".into(),
        }
    }

    /// Sets the maximum size of the cookie: its name, `=`, and its value. A save of a larger
    /// session fails with [`TooLarge`](ErrorKind::TooLarge).
    ///
    /// Defaults to 3,072 bytes, which hold about 2,200 bytes of data; an
    /// [`unsealed`](Self::unsealed) backend defaults to 4,096. A proxy must receive all headers of
    /// a response in one buffer. In nginx, this buffer has 4,096 bytes by default, and with larger
    /// headers the visitor gets a 502. To allow larger cookies, raise the buffer of every proxy, in
    /// nginx with `proxy_buffer_size 8k`. The price of a larger cookie: the browser sends it with
    /// every request.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if `bytes` is less than 512, or more than 4,096: browsers
    /// ignore larger cookies.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Backend, CookieBackend};
    ///
    /// let max_size = |backend: CookieBackend| Backend::from(backend).guarantees().max_size;
    /// let backend = CookieBackend::new(&[7; 32])?;
    /// assert!(max_size(backend.clone()) < max_size(backend.max_cookie_bytes(4_096)?));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn max_cookie_bytes(mut self, bytes: usize) -> Result<Self> {
        if !(MIN_COOKIE_BYTES..=MAX_COOKIE_BYTES).contains(&bytes) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "setting the maximum size of the session cookie: {bytes} bytes is not between \
                     {MIN_COOKIE_BYTES} and {MAX_COOKIE_BYTES}"
                ),
            ));
        }
        self.max_cookie_bytes = bytes;
        Ok(self)
    }

    /// Also accepts cookies that were encrypted with this other secret. They are encrypted with the
    /// current secret when they are next written.
    ///
    /// To replace the secret of a site with several servers, restart all servers twice. First keep
    /// the old secret as the current one and add the new secret as a fallback: now every server
    /// accepts both. Then make the new secret the current one and the old secret the fallback.
    /// Remove the old secret after `max_age`. If you skip the first step, the servers that have not
    /// been restarted do not accept the new cookies, and their visitors lose their sessions.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) as for [`new`](Self::new), and for an
    /// [`unsealed`](Self::unsealed) backend.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{CookieBackend, Sessions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let (old, new) = ([7; 32], [8; 32]);
    /// # let session = Sessions::new(CookieBackend::new(&old)?).new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// let key = session.key().expect("saved with the old secret");
    ///
    /// let sessions = Sessions::new(CookieBackend::new(&new)?.fallback(&old)?);
    /// assert!(sessions.open(&key).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn fallback(mut self, secret: &[u8]) -> Result<Self> {
        match &mut self.envelope {
            Envelope::Sealed(secrets) => {
                Arc::make_mut(secrets).push(SealingSecret::new(secret)?);
                Ok(self)
            }
            Envelope::None(_) => Err(Error::new(
                ErrorKind::Config,
                "adding a fallback secret: these sessions are not encrypted; configure the secrets \
                 of their format",
            )),
        }
    }

    pub(super) fn format(&self) -> &dyn Format {
        match &self.envelope {
            Envelope::Sealed(_) => &Sealed,
            Envelope::None(format) => &**format,
        }
    }

    pub(super) fn set_cookie(&mut self, cookie: &Cookie) {
        self.cookie_name = cookie.name().into();
        self.namespace = cookie.own_namespace().into();
    }

    pub(super) fn guarantees(&self) -> Guarantees {
        let text = self
            .max_cookie_bytes
            .saturating_sub(self.cookie_name.len() + "=".len());
        let max_size = match &self.envelope {
            Envelope::Sealed(_) => (text / 4 * 3).saturating_sub(OVERHEAD),
            Envelope::None(_) => text,
        };
        Guarantees::default().durable().shared().max_size(max_size)
    }

    /// Opens the cookie. Returns `None` if it was not sealed with one of the secrets.
    pub(super) fn open(&self, key: &StoreKey) -> Option<Entry> {
        let (meta, data) = match &self.envelope {
            Envelope::Sealed(secrets) => {
                let mut parts = key.as_bytes().splitn(2, |&byte| byte == b'=');
                unseal(secrets, parts.next()?, parts.next()?)?
            }
            Envelope::None(_) => (unknown(), Bytes::copy_from_slice(key.as_bytes())),
        };
        // This backend does not compare versions, so all entries can have the same version.
        Some(Entry::new(data, meta, SaveId::new(0).into()))
    }

    pub(super) fn seal(&self, draft: &Draft) -> Result<EntryRef> {
        let value = match &self.envelope {
            Envelope::Sealed(secrets) => self.sealed(secrets, draft)?,
            Envelope::None(_) => String::from_utf8(draft.data.to_vec()).map_err(|source| {
                let what = "writing a session into its cookie: its format does not encode to text";
                Error::new(ErrorKind::BadValue, what).with_source(source.utf8_error())
            })?,
        };
        let size = self.cookie_name.len() + "=".len() + value.len();
        if size > self.max_cookie_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "writing a session into its cookie: the cookie would have {size} bytes, and at \
                     most {} are allowed; keep large things elsewhere, or keep sessions in a store",
                    self.max_cookie_bytes
                ),
            ));
        }
        let key = SessionKey::new(&value);
        let store_key = self.format().store_key(&self.namespace, &key);
        Ok(EntryRef::new(key, store_key, draft.version()))
    }

    /// Opens the cookie and seals its content again with the times of `meta`.
    pub(super) fn touch(&self, key: &StoreKey, meta: &Meta) -> Result<Option<EntryRef>> {
        let Some(entry) = self.open(key) else {
            return Ok(None);
        };
        let format = self.format();
        let session_data = format.decode(&entry.data)?;
        let draft = Draft::new(
            format.encode(&session_data, meta.touched)?,
            meta.clone(),
            SaveId::new(0),
        );
        self.seal(&draft).map(Some)
    }

    fn sealed(&self, secrets: &[SealingSecret], draft: &Draft) -> Result<String> {
        let secret = secrets.first().expect("`new` adds one");
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|source| {
            let what = "sealing a session: the operating system gives no random numbers";
            Error::new(ErrorKind::Random, what).with_source(source)
        })?;
        let mut sealed = vec![VERSION];
        sealed.extend(secret.name);
        let additional = [&sealed[..], self.namespace.as_bytes()].concat();
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
}

fn unseal(secrets: &[SealingSecret], namespace: &[u8], value: &[u8]) -> Option<(Meta, Bytes)> {
    let sealed = BASE64URL_NOPAD.decode(value).ok()?;
    let (head, rest) = sealed.split_at_checked(HEAD_BYTES)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
    let (&version, name) = head.split_first()?;
    let secret = secrets.iter().find(|secret| secret.name == *name)?;
    let additional = [head, namespace].concat();
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

impl fmt::Debug for CookieBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = match &self.envelope {
            Envelope::Sealed(secrets) => secrets.len(),
            Envelope::None(_) => 0,
        };
        f.debug_struct("CookieBackend")
            .field("secrets", &secrets)
            .finish_non_exhaustive()
    }
}

/// How the content of the cookie is protected.
#[derive(Clone)]
enum Envelope {
    /// Encryption keeps visitors from reading and changing the content. The first secret encrypts
    /// new cookies.
    Sealed(Arc<Vec<SealingSecret>>),
    /// The signature of the format keeps visitors from changing the content, but they can read it.
    None(Arc<dyn Format>),
}

/// Cloakroom's default format, with the sealed session as the key.
struct Sealed;

impl Format for Sealed {
    fn rules(&self) -> FormatRules {
        FormatRules {
            tags: Tags::Hash,
            ..FormatRules::default()
        }
    }

    /// Not called: the sealed session is the key.
    fn new_key(&self) -> Result<SessionKey> {
        DefaultFormat::new().new_key()
    }

    /// Checks the length and the alphabet only. Nothing is decrypted yet.
    fn parse_key(&self, text: &str) -> Option<SessionKey> {
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (text.len() <= MAX_COOKIE_BYTES && text.len() > OVERHEAD && text.bytes().all(alphabet))
            .then(|| SessionKey::new(text))
    }

    /// The store key includes the namespace, because a value can be opened only with its own
    /// namespace.
    fn store_key(&self, namespace: &str, key: &SessionKey) -> StoreKey {
        StoreKey::pair(namespace, key.reveal())
    }

    fn encode(&self, session_data: &SessionData, now: SystemTime) -> Result<Bytes> {
        DefaultFormat::new().encode(session_data, now)
    }

    fn decode(&self, data: &Bytes) -> Result<SessionData> {
        DefaultFormat::new().decode(data)
    }
}

/// The facts of an unsealed cookie before its format fills them in. If the format leaves the expiry
/// as it is, the session counts as expired.
fn unknown() -> Meta {
    Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH)
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
                    "sealing sessions: the secret has {} bytes; it needs at least \
                     {MIN_SECRET_BYTES} random bytes",
                    secret.len()
                ),
            ));
        }
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        let mut name = [0; NAME_BYTES];
        let mut key = [0; 32];
        for (info, bytes) in [("name", &mut name[..]), ("key", &mut key[..])] {
            hkdf.expand_multi_info(&[b"cloakroom carried ", info.as_bytes()], bytes)
                .expect("HKDF can output up to 255 hashes");
        }
        Ok(Self {
            name,
            cipher: XChaCha20Poly1305::new(&key.into()),
        })
    }
}

const VERSION: u8 = 2;

const MIN_SECRET_BYTES: usize = 32;

/// Long enough to tell the few secrets of a site apart.
const NAME_BYTES: usize = 4;
const HEAD_BYTES: usize = 1 + NAME_BYTES;
const NONCE_BYTES: usize = 24;
const MAC_BYTES: usize = 16;

/// The bytes of a cookie besides data, owner and label, before the base64url encoding.
const OVERHEAD: usize = HEAD_BYTES + NONCE_BYTES + MAC_BYTES + packed::EMPTY;

/// The default of the option `max_cookie_bytes`. Of the 4,096 bytes that nginx accepts by default,
/// 1,024 remain for the attributes of the cookie and for the other headers.
const DEFAULT_MAX_COOKIE_BYTES: usize = 3_072;

/// A smaller cookie would have no room for a session with an owner.
const MIN_COOKIE_BYTES: usize = 512;

/// Name, `=` and value: browsers ignore a cookie that is longer (RFC 6265bis, section 5.6).
const MAX_COOKIE_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn a_cookie_with_an_older_version_byte_or_an_older_layout_is_not_read() {
        let backend = CookieBackend::new(&[7; 32]).unwrap();
        let Envelope::Sealed(secrets) = &backend.envelope else {
            unreachable!("it has a secret");
        };
        // The plaintext of version 1: created, touched and expires; no owner, no label; the data.
        let old = [&[0; 24][..], &[0, 0], b"{}"].concat();
        let mut packed = Vec::new();
        packed::put(&mut packed, &draft()).unwrap();
        let sealed = |version: u8, text: &[u8]| {
            let head = [&[version][..], &secrets[0].name].concat();
            let nonce = [0; NONCE_BYTES];
            let payload = Payload {
                msg: text,
                aad: &head,
            };
            let text = secrets[0].cipher.encrypt(&XNonce::from(nonce), payload);
            let cookie = [&head[..], &nonce, &text.unwrap()].concat();
            StoreKey::pair("", &BASE64URL_NOPAD.encode(&cookie))
        };

        assert!(backend.open(&sealed(1, &old)).is_none());
        assert!(backend.open(&sealed(1, &packed)).is_none());
        assert!(backend.open(&sealed(VERSION, &old)).is_none());
        assert!(backend.open(&sealed(VERSION, &packed)).is_some());
    }

    fn draft() -> Draft {
        Draft::new(
            Bytes::from_static(b"{}"),
            Meta::new(from_millis(1), from_millis(2), from_millis(3)),
            SaveId::new(7),
        )
    }
}
