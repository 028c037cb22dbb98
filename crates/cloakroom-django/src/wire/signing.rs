//! Django's signed text: `payload:timestamp:signature`.
//!
//! ```text
//! payload    base64url(json), or "." and base64url(zlib(json)) if that is shorter
//! timestamp  base62(unix seconds)
//! signature  base64url(HMAC-SHA256(SHA-256(salt "signer" secret), payload ":" timestamp))
//! ```
//!
//! This is the format of Django 5.2.19. Base64url is that of RFC 4648 §5 without padding; zlib is
//! that of RFC 1950.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress,
    create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The salt of the engines `db`, `cached_db` and `file`: the dotted name of Django's class. A site
/// with its own session store class has another salt.
pub const SERVER_SALT: &str = "django.contrib.sessions.SessionStore";

/// The salt of the engine `signed_cookies`. It is the same for a site with its own session store
/// class.
pub const COOKIE_SALT: &str = "django.contrib.sessions.backends.signed_cookies";

/// The largest size in bytes of a decompressed payload. A larger payload is
/// [undecodable](UnsignError::Undecodable).
pub const MAX_INFLATED: usize = 8 << 20;

/// Signs text and verifies signatures with a site's `SECRET_KEY` and its fallbacks.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::signing::{SERVER_SALT, Signer, UnsignError};
///
/// let signer = Signer::new("a-new-secret", SERVER_SALT).fallback("the-old-secret");
///
/// let text = signer.dumps(b"{\"a\":1}", 1_767_323_045);
/// assert!(text.starts_with("eyJhIjoxfQ:1vbVSP:"));
/// let signed = signer.loads(text.as_bytes())?;
/// assert_eq!((&signed.json[..], signed.at), (&b"{\"a\":1}"[..], 1_767_323_045));
///
/// let old = Signer::new("the-old-secret", SERVER_SALT).dumps(b"{}", 0);
/// assert!(signer.loads(old.as_bytes()).is_ok());
/// let forged = Signer::new("another", SERVER_SALT).dumps(b"{}", 0);
/// assert_eq!(signer.loads(forged.as_bytes()).unwrap_err(), UnsignError::BadSignature);
/// # Ok::<(), UnsignError>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    key_salt: String,
    key: [u8; 32],
    fallbacks: Vec<[u8; 32]>,
}

impl Signer {
    /// Creates a signer with this secret: the bytes of `SECRET_KEY`, in UTF-8 if it is text.
    ///
    /// # Examples
    /// A text that Django signed:
    /// ```
    /// use cloakroom_django::wire::signing::{SERVER_SALT, Signer};
    ///
    /// let signer = Signer::new("cloakroom-public-secret-key-0123456789", SERVER_SALT);
    /// let signed = signer.loads(b"e30:1vbVSP:zFG5AAKPLbadFPXKiGOJwb9f0n8TZ5QrCNoepQAsVE8")?;
    /// assert_eq!(signed.json, "{}");
    /// # Ok::<(), cloakroom_django::wire::signing::UnsignError>(())
    /// ```
    pub fn new(secret: impl AsRef<[u8]>, salt: &str) -> Self {
        let key_salt = format!("{salt}signer");
        Self {
            key: derive_key(&key_salt, secret.as_ref()),
            key_salt,
            fallbacks: Vec::new(),
        }
    }

    /// Also accepts text signed with this secret. New text is never signed with this secret.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::wire::signing::{SERVER_SALT, Signer};
    ///
    /// let text = Signer::new("the old secret", SERVER_SALT).dumps(b"{}", 0);
    /// let signer = Signer::new("the new secret", SERVER_SALT).fallback("the old secret");
    /// assert!(signer.loads(text.as_bytes()).is_ok());
    /// ```
    #[must_use]
    pub fn fallback(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.fallbacks
            .push(derive_key(&self.key_salt, secret.as_ref()));
        self
    }

    /// Signs a payload and returns `payload:timestamp:signature`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::wire::signing::{SERVER_SALT, Signer};
    ///
    /// let signer = Signer::new("s", SERVER_SALT);
    /// let text = signer.sign("e30", 1_767_323_045);
    /// assert_eq!(text, "e30:1vbVSP:IGH1mXeThfV_kcGyIaCpSIRBU9o-TDnGIxYZcHEq0EQ");
    /// ```
    pub fn sign(&self, payload: &str, unix_secs: i64) -> String {
        let mut text = format!("{payload}:{}", base62(unix_secs));
        let signature = signature(&self.key, text.as_bytes());
        text.push(':');
        text.push_str(&signature);
        text
    }

    /// Verifies a signed text and returns its payload and its timestamp.
    ///
    /// # Errors
    /// [`BadSignature`](UnsignError::BadSignature) if none of the secrets signed it,
    /// [`Undecodable`](UnsignError::Undecodable) if it is signed but has no timestamp.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::wire::signing::{SERVER_SALT, Signer, UnsignError};
    ///
    /// let signer = Signer::new("s", SERVER_SALT);
    /// let text = b"e30:1vbVSP:IGH1mXeThfV_kcGyIaCpSIRBU9o-TDnGIxYZcHEq0EQ";
    /// assert_eq!(signer.unsign(text), Ok((&b"e30"[..], 1_767_323_045)));
    /// assert_eq!(signer.unsign(b"e30:1vbVSP:forged"), Err(UnsignError::BadSignature));
    /// ```
    pub fn unsign<'a>(&self, text: &'a [u8]) -> Result<(&'a [u8], i64), UnsignError> {
        let (signed, given) = split_last(text).ok_or(UnsignError::BadSignature)?;
        // Compare the encoded text: its last character has unused bits, so several texts decode to
        // the same signature.
        let is_signed = std::iter::once(&self.key)
            .chain(&self.fallbacks)
            .any(|key| signature(key, signed).as_bytes().ct_eq(given).into());
        if !is_signed {
            return Err(UnsignError::BadSignature);
        }
        let (payload, timestamp) = split_last(signed).ok_or(UnsignError::Undecodable)?;
        let at = parse_base62(timestamp).ok_or(UnsignError::Undecodable)?;
        Ok((payload, at))
    }

    /// Signs a JSON text. As in Django, the text is compressed if that saves more than one byte.
    ///
    /// Django uses another implementation of zlib, so the compressed bytes differ. If compression
    /// saves about one byte, Django may compress a text that this crate leaves uncompressed, or the
    /// reverse. Django reads what this crate writes, and this crate reads what Django writes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::wire::signing::{SERVER_SALT, Signer};
    ///
    /// let signer = Signer::new("cloakroom-public-secret-key-0123456789", SERVER_SALT);
    /// assert_eq!(
    ///     signer.dumps(b"{}", 1_767_323_045),
    ///     "e30:1vbVSP:zFG5AAKPLbadFPXKiGOJwb9f0n8TZ5QrCNoepQAsVE8",
    /// );
    /// ```
    pub fn dumps(&self, json: &[u8], unix_secs: i64) -> String {
        let payload = match pack(json) {
            Some(packed) => format!(".{}", BASE64URL_NOPAD.encode(&packed)),
            None => BASE64URL_NOPAD.encode(json),
        };
        self.sign(&payload, unix_secs)
    }

    /// Verifies and decodes the text that [`dumps`](Self::dumps) or Django signed.
    ///
    /// # Errors
    /// [`BadSignature`](UnsignError::BadSignature) if none of the secrets signed it,
    /// [`Undecodable`](UnsignError::Undecodable) if it is signed but malformed, or larger than
    /// [`MAX_INFLATED`] when decompressed.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::wire::signing::{SERVER_SALT, Signer, UnsignError};
    ///
    /// let signer = Signer::new("s", SERVER_SALT);
    /// let signed = signer.loads(signer.dumps(b"{}", 1_767_323_045).as_bytes())?;
    /// assert_eq!((&signed.json[..], signed.at), (&b"{}"[..], 1_767_323_045));
    ///
    /// let not_base64 = signer.sign("!", 0);
    /// assert_eq!(signer.loads(not_base64.as_bytes()), Err(UnsignError::Undecodable));
    /// # Ok::<(), UnsignError>(())
    /// ```
    pub fn loads(&self, text: &[u8]) -> Result<Signed, UnsignError> {
        let (payload, at) = self.unsign(text)?;
        let (packed, base64) = match payload.strip_prefix(b".") {
            Some(rest) => (true, rest),
            None => (false, payload),
        };
        let mut json = BASE64URL_NOPAD
            .decode(base64)
            .map_err(|_| UnsignError::Undecodable)?;
        if packed {
            json = decompress_to_vec_zlib_with_limit(&json, MAX_INFLATED)
                .map_err(|_| UnsignError::Undecodable)?;
        }
        Ok(Signed {
            json: json.into(),
            at,
        })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", 1 + self.fallbacks.len())
    }
}

/// The contents of a signed text.
#[derive(Clone, Eq, PartialEq)]
pub struct Signed {
    /// The JSON text, not parsed yet.
    pub json: Bytes,
    /// The time of the signature, in seconds since 1970.
    pub at: i64,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes, at {})", self.json.len(), self.at)
    }
}

/// Why a signed text is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnsignError {
    /// None of the secrets signed the text. Django logs "Session data corrupted".
    BadSignature,
    /// The signature is valid, but the contents are malformed. Django logs nothing.
    Undecodable,
}

impl fmt::Display for UnsignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignature => "no secret signed it",
            Self::Undecodable => "it is signed, but not in the form that Django signs",
        })
    }
}

impl std::error::Error for UnsignError {}

/// Computes Django's `salted_hmac` with SHA-256: the HMAC with the key that [`derive_key`] returns.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::signing::salted_hmac;
///
/// let salt = "django.contrib.sessions.SessionStoresigner";
/// assert_eq!(salted_hmac(salt, b"s", b"e30:1vbVSP")[..4], [0x20, 0x61, 0xf5, 0x99]);
/// ```
pub fn salted_hmac(key_salt: &str, secret: &[u8], message: &[u8]) -> [u8; 32] {
    hmac(&derive_key(key_salt, secret), message)
}

/// Computes SHA-256 of `key_salt` and `secret`, concatenated without a separator.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::signing::derive_key;
///
/// let salt = "django.contrib.sessions.SessionStoresigner";
/// assert_eq!(derive_key(salt, b"s")[..4], [0x2a, 0x2f, 0x48, 0x9f]);
/// ```
pub fn derive_key(key_salt: &str, secret: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(key_salt)
        .chain_update(secret)
        .finalize()
        .into()
}

/// Writes a number in base 62, as Django writes timestamps: with the digits `0-9`, then `A-Z`, then
/// `a-z`.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::signing::{base62, parse_base62};
///
/// assert_eq!(base62(1_767_323_045), "1vbVSP");
/// assert_eq!(parse_base62(b"1vbVSP"), Some(1_767_323_045));
/// ```
pub fn base62(number: i64) -> String {
    let mut digits = Vec::new();
    let mut rest = number.unsigned_abs();
    while rest > 0 || digits.is_empty() {
        digits.push(BASE62[(rest % 62) as usize]);
        rest /= 62;
    }
    if number < 0 {
        digits.push(b'-');
    }
    digits.iter().rev().copied().map(char::from).collect()
}

/// Parses a number that [`base62`] wrote. Returns `None` for other text and for numbers that do not
/// fit into 64 bits.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::signing::parse_base62;
///
/// assert_eq!(parse_base62(b"10"), Some(62));
/// assert_eq!(parse_base62(b"1-"), None);
/// ```
pub fn parse_base62(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    if text.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i64, |number, byte| {
        let digit = BASE62.iter().position(|known| known == byte)?;
        let digit = i64::try_from(digit).ok()?;
        number.checked_mul(62)?.checked_add(sign * digit)
    })
}

/// Compresses the text with zlib, or returns `None` if that saves fewer than two bytes.
fn pack(json: &[u8]) -> Option<Vec<u8>> {
    // For each block, zlib tries two Huffman codes, a fixed code and a code made for the block, and
    // uses the one with the shorter result. By default, miniz_oxide does not try both: it uses the
    // code made for the block from 48 bytes on, even where the fixed code has the shorter result.
    // So compress a short text once with each code, and use the shorter result.
    let short = (json.len() < MAX_SHORT).then(|| pack_as(json, CompressionStrategy::Fixed));
    let long = pack_as(json, CompressionStrategy::Default);
    [short.flatten(), long]
        .into_iter()
        .flatten()
        .min_by_key(Vec::len)
}

fn pack_as(json: &[u8], strategy: CompressionStrategy) -> Option<Vec<u8>> {
    let flags =
        create_comp_flags_from_zip_params(COMPRESSION_LEVEL, WITH_ZLIB_HEADER, strategy as i32);
    // A result that does not fit into this buffer would save too little.
    let mut packed = vec![0; json.len().checked_sub(2)?];
    let (status, _, len) = compress(
        &mut CompressorOxide::new(flags),
        json,
        &mut packed,
        TDEFLFlush::Finish,
    );
    packed.truncate(len);
    (status == TDEFLStatus::Done).then_some(packed)
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

fn signature(key: &[u8; 32], signed: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&hmac(key, signed))
}

/// Splits a text at its last colon.
fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|&byte| byte == b':')?;
    Some((&text[..at], &text[at + 1..]))
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// zlib's default, which Django uses.
const COMPRESSION_LEVEL: i32 = 6;

/// The number of window bits. miniz_oxide writes the zlib header if this number is positive.
const WITH_ZLIB_HEADER: i32 = 1;

/// The length in bytes from which the fixed Huffman code never results in a shorter text.
const MAX_SHORT: usize = 1_024;

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec_zlib;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_compressed_if_that_saves_more_than_one_byte() {
        let signer = Signer::new("s", SERVER_SALT);
        for (json, compressed) in [
            ("", false),
            ("{}", false),
            (r#"{"t":"abcabc"}"#, false),
            (r#"{"_csrftoken":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#, true),
        ] {
            assert_eq!(
                signer.dumps(json.as_bytes(), 1).starts_with('.'),
                compressed
            );
        }
    }

    #[test]
    fn a_signature_is_compared_as_text() {
        let signer = Signer::new("s", SERVER_SALT);
        let text = signer.sign("e30", 1);
        let (signed, signature) = text.rsplit_once(':').unwrap();
        let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        // The last of the 43 characters has two unused bits.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = alphabet.find(&signature[42..]).unwrap();
        let alike = (1..4).map(|bits| &alphabet[last + bits..=last + bits]);

        for other in alike {
            let text = format!("{signed}:{}{other}", &signature[..42]);
            assert_eq!(
                signer.unsign(text.as_bytes()),
                Err(UnsignError::BadSignature)
            );
        }
        for changed in [format!("{text}="), format!("{text}\n"), format!(" {text}")] {
            assert_eq!(
                signer.unsign(changed.as_bytes()),
                Err(UnsignError::BadSignature)
            );
        }
        assert_eq!(bytes.len(), 32);
    }

    #[test]
    fn a_payload_that_inflates_beyond_the_limit_is_undecodable() {
        let signer = Signer::new("s", SERVER_SALT);
        let bomb = |len| {
            let packed = compress_to_vec_zlib(&vec![b' '; len], 9);
            let payload = format!(".{}", BASE64URL_NOPAD.encode(&packed));
            signer.loads(signer.sign(&payload, 1).as_bytes())
        };

        assert_eq!(bomb(MAX_INFLATED).unwrap().json.len(), MAX_INFLATED);
        assert_eq!(bomb(MAX_INFLATED + 1), Err(UnsignError::Undecodable));
    }

    #[test]
    fn a_zlib_stream_that_is_damaged_or_cut_off_is_undecodable() {
        let signer = Signer::new("s", SERVER_SALT);
        let packed = compress_to_vec_zlib(&[b'x'; 100], 6);
        let mut damaged = packed.clone();
        *damaged.last_mut().unwrap() ^= 1;

        for bytes in [&damaged[..], &packed[..packed.len() - 1], b""] {
            let payload = format!(".{}", BASE64URL_NOPAD.encode(bytes));
            let text = signer.sign(&payload, 1);
            assert_eq!(
                signer.loads(text.as_bytes()),
                Err(UnsignError::Undecodable),
                "{} bytes",
                bytes.len()
            );
        }
    }

    #[test]
    fn only_numbers_of_64_bits_are_read_from_base_62() {
        for number in [0, -1, 61, i64::MAX, i64::MIN] {
            assert_eq!(parse_base62(base62(number).as_bytes()), Some(number));
        }
        assert_eq!(parse_base62(b"AzL8n0Y58m8"), None, "2^63");
        for text in ["", "--1", "1-", "+1", " 1", "1:"] {
            assert_eq!(parse_base62(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn debug_shows_neither_a_secret_nor_a_value() {
        let signer = Signer::new("s3cret", SERVER_SALT).fallback("s3cret2");
        assert_eq!(format!("{signer:?}"), "Signer(2 secrets)");
        let signed = signer.loads(signer.dumps(b"s3cret", 7).as_bytes());
        assert_eq!(format!("{:?}", signed.unwrap()), "Signed(6 bytes, at 7)");
    }

    proptest! {
        #[test]
        fn loading_never_panics(
            text in any::<Vec<u8>>(),
            payload in "[.A-Za-z0-9_:-]{0,40}",
            at in any::<i64>(),
        ) {
            let signer = Signer::new("s", SERVER_SALT);
            let _ = signer.loads(&text);
            let _ = signer.loads(signer.sign(&payload, at).as_bytes());
        }

        #[test]
        fn a_signed_text_is_read_as_it_was_signed(
            json in any::<Vec<u8>>(),
            times in 1..40_usize,
            at in any::<i64>(),
        ) {
            let signer = Signer::new("s", SERVER_SALT);
            let json = json.repeat(times);
            let signed = signer.loads(signer.dumps(&json, at).as_bytes()).unwrap();
            prop_assert_eq!((&signed.json[..], signed.at), (&json[..], at));
        }
    }
}
