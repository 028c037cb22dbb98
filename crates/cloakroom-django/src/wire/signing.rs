//! Django's signed text: `payload:timestamp:signature`.
//!
//! ```text
//! payload    base64url(json), or "." and base64url(zlib(json)) where that is shorter
//! timestamp  base62(unix seconds)
//! signature  base64url(HMAC-SHA256(SHA-256(salt "signer" secret), payload ":" timestamp))
//! ```
//!
//! As Django 5.2.19 writes it. Base64url is that of RFC 4648 §5 without padding, zlib that of RFC 1950.

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

/// The salt of what the engines db, cached_db and file store. It is the name of Django's class, so a site whose session
/// store is a class of its own with another name has another.
pub const SERVER_SALT: &str = "django.contrib.sessions.SessionStore";

/// The salt of the cookie of the engine signed_cookies, whatever its class is called.
pub const COOKIE_SALT: &str = "django.contrib.sessions.backends.signed_cookies";

/// The most bytes that a compressed payload may inflate to. A payload beyond it is
/// [undecodable](UnsignError::Undecodable).
pub const MAX_INFLATED: usize = 8 << 20;

/// Signs text and tells whether text was signed, with Django's `SECRET_KEY` and its fallbacks.
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
/// let strange = Signer::new("another", SERVER_SALT).dumps(b"{}", 0);
/// assert_eq!(signer.loads(strange.as_bytes()).unwrap_err(), UnsignError::BadSignature);
/// # Ok::<(), UnsignError>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    key_salt: String,
    key: [u8; 32],
    fallbacks: Vec<[u8; 32]>,
}

impl Signer {
    /// A signer with this secret: the bytes of `SECRET_KEY`, which for text are its UTF-8.
    pub fn new(secret: impl AsRef<[u8]>, salt: &str) -> Self {
        let key_salt = format!("{salt}signer");
        Self {
            key: derive_key(&key_salt, secret.as_ref()),
            key_salt,
            fallbacks: Vec::new(),
        }
    }

    /// Also believes what was signed with this secret. Nothing is signed with it.
    #[must_use]
    pub fn fallback(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.fallbacks
            .push(derive_key(&self.key_salt, secret.as_ref()));
        self
    }

    /// `payload:timestamp:signature`.
    pub fn sign(&self, payload: &str, unix_secs: i64) -> String {
        let mut text = format!("{payload}:{}", base62(unix_secs));
        let signature = signature(&self.key, text.as_bytes());
        text.push(':');
        text.push_str(&signature);
        text
    }

    /// The payload and the timestamp of a signed text.
    ///
    /// # Errors
    /// [`BadSignature`](UnsignError::BadSignature) if no secret signed it; [`Undecodable`](UnsignError::Undecodable)
    /// if one did and there is no timestamp in it.
    pub fn unsign<'a>(&self, text: &'a [u8]) -> Result<(&'a [u8], i64), UnsignError> {
        let (signed, given) = split_last(text).ok_or(UnsignError::BadSignature)?;
        // Text against text: decoded, the last character has unused bits, and more than one text would be right.
        let believed = std::iter::once(&self.key)
            .chain(&self.fallbacks)
            .any(|key| signature(key, signed).as_bytes().ct_eq(given).into());
        if !believed {
            return Err(UnsignError::BadSignature);
        }
        let (payload, timestamp) = split_last(signed).ok_or(UnsignError::Undecodable)?;
        let at = parse_base62(timestamp).ok_or(UnsignError::Undecodable)?;
        Ok((payload, at))
    }

    /// Signs a JSON text, compressed where Django would.
    ///
    /// Django compresses where more than one byte is won. Its zlib is another one than ours, so a text at the threshold
    /// may go the other way, and compressed bytes differ; each reads what the other wrote.
    pub fn dumps(&self, json: &[u8], unix_secs: i64) -> String {
        let payload = match pack(json) {
            Some(packed) => format!(".{}", BASE64URL_NOPAD.encode(&packed)),
            None => BASE64URL_NOPAD.encode(json),
        };
        self.sign(&payload, unix_secs)
    }

    /// The text that [`dumps`](Self::dumps) or Django signed.
    ///
    /// # Errors
    /// [`BadSignature`](UnsignError::BadSignature) if no secret signed it; [`Undecodable`](UnsignError::Undecodable)
    /// if one did and it is not such a text, or inflates to more than [`MAX_INFLATED`].
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

/// What a signed text holds.
#[derive(Clone, Eq, PartialEq)]
pub struct Signed {
    /// The JSON text, which nobody has read yet.
    pub json: Bytes,
    /// When it was signed, in seconds since 1970.
    pub at: i64,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes, at {})", self.json.len(), self.at)
    }
}

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnsignError {
    /// None of the secrets signed it. Django logs it: "Session data corrupted".
    BadSignature,
    /// It was signed, and what was signed cannot be read. Django says nothing.
    Undecodable,
}

impl fmt::Display for UnsignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignature => "no secret signed it",
            Self::Undecodable => "it was signed, and it is not what Django signs",
        })
    }
}

impl std::error::Error for UnsignError {}

/// Django's `salted_hmac` with SHA-256: HMAC under SHA-256(`key_salt` `secret`).
pub fn salted_hmac(key_salt: &str, secret: &[u8], message: &[u8]) -> [u8; 32] {
    hmac(&derive_key(key_salt, secret), message)
}

/// SHA-256(`key_salt` `secret`), with nothing in between.
pub fn derive_key(key_salt: &str, secret: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(key_salt)
        .chain_update(secret)
        .finalize()
        .into()
}

/// A number in base 62, as Django writes timestamps: digits, then capitals, then small letters.
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

/// The number that [`base62`] wrote, if it is one of 64 bits.
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

/// The text as zlib, if more than one byte is won.
fn pack(json: &[u8]) -> Option<Vec<u8>> {
    // zlib chooses the shorter of two kinds of codes for each block, and miniz_oxide always the one that pays for long ones.
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
    // What does not fit would not pay.
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

fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|&byte| byte == b':')?;
    Some((&text[..at], &text[at + 1..]))
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// zlib's default, which Django takes.
const COMPRESSION_LEVEL: i32 = 6;

/// Any positive number of window bits asks for the header.
const WITH_ZLIB_HEADER: i32 = 1;

/// Above this many bytes the codes for short blocks never win.
const MAX_SHORT: usize = 1_024;

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec_zlib;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_compressed_where_more_than_one_byte_is_won() {
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
        // The last of the 43 characters has two bits that no byte has.
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
    fn what_inflates_beyond_the_bound_is_undecodable() {
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
    fn numbers_in_base_62_stay_within_64_bits() {
        for number in [0, -1, 61, i64::MAX, i64::MIN] {
            assert_eq!(parse_base62(base62(number).as_bytes()), Some(number));
        }
        assert_eq!(parse_base62(b"AzL8n0Y58m8"), None, "2^63");
        for text in ["", "--1", "1-", "+1", " 1", "1:"] {
            assert_eq!(parse_base62(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn neither_a_secret_nor_a_value_is_shown() {
        let signer = Signer::new("s3cret", SERVER_SALT).fallback("s3cret2");
        assert_eq!(format!("{signer:?}"), "Signer(2 secrets)");
        let signed = signer.loads(signer.dumps(b"s3cret", 7).as_bytes());
        assert_eq!(format!("{:?}", signed.unwrap()), "Signed(6 bytes, at 7)");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<Vec<u8>>(), payload in "[.A-Za-z0-9_:-]{0,40}", at in any::<i64>()) {
            let signer = Signer::new("s", SERVER_SALT);
            let _ = signer.loads(&text);
            let _ = signer.loads(signer.sign(&payload, at).as_bytes());
        }

        #[test]
        fn what_was_signed_is_read(json in any::<Vec<u8>>(), times in 1..40_usize, at in any::<i64>()) {
            let signer = Signer::new("s", SERVER_SALT);
            let json = json.repeat(times);
            let signed = signer.loads(signer.dumps(&json, at).as_bytes()).unwrap();
            prop_assert_eq!((&signed.json[..], signed.at), (&json[..], at));
        }
    }
}
