use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use data_encoding::BASE64URL_NOPAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::format::Format;
use super::rules::FormatRules;
use crate::model::{
    Error, ErrorKind, Expiry, Items, Owner, Result, SessionData, SessionKey, StoreKey, Tombstone,
    Value, from_millis, millis,
};

/// Cloakroom's format, which is the default.
///
/// * **Session key**: 256 bits of the operating system's random numbers, as 43 characters of
///   base64url without padding (RFC 4648 §5).
/// * **Store key**: the SHA-256 of the text `NAMESPACE=KEY`. If the
///   [namespace](crate::Cookie::namespace) is the name of the cookie, this text is what the browser
///   sends. A session key cannot be computed from its hash, so an attacker who reads the store
///   cannot open the sessions in it. A key opens no session in another namespace. No namespace
///   contains `=`, so the texts of two different pairs of namespace and key always differ.
/// * **Data**: the byte `1`, which is the format version, and a JSON object. Its last member,
///   `items`, is an object of the items in their order. Each value is the JSON text with which it
///   was set. The members before `items` depend on the [`Expiry`] of the session:
///
/// | expiry | members |
/// |---|---|
/// | [`Policy`](Expiry::Policy) | none |
/// | [`Idle`](Expiry::Idle) | `idle_secs`: a number, in whole seconds, rounded up |
/// | [`At`](Expiry::At) | `expires_at`: a number, in milliseconds since 1970 |
/// | [`BrowserClose`](Expiry::BrowserClose) | `browser_close`: `true` |
/// | [`BrowserCloseOrIdle`](Expiry::BrowserCloseOrIdle) | `browser_close` and `idle_secs` |
///
/// * **Tombstone**: the byte `1`, and a JSON object with two members. `moved_to` is the store key
///   of the successor in base64url without padding. `owner` is left out if there is none.
///
/// # Examples
/// ```
/// use std::time::SystemTime;
///
/// use cloakroom::format::{DefaultFormat, Format};
/// use cloakroom::session::{SessionData, Value};
///
/// let mut data = SessionData::default();
/// data.items.set("visits".into(), Value::of(&3)?);
///
/// let bytes = DefaultFormat::new().encode(&data, SystemTime::now())?;
/// assert_eq!(bytes, "\x01{\"items\":{\"visits\":3}}");
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DefaultFormat {
    random: fn(&mut [u8]) -> Result<(), getrandom::Error>,
}

impl DefaultFormat {
    /// Creates the format.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::format::{DefaultFormat, Format};
    ///
    /// let key = DefaultFormat::new().new_key()?;
    /// assert_eq!(key.reveal().len(), 43);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub const fn new() -> Self {
        Self {
            random: getrandom::fill,
        }
    }
}

impl Default for DefaultFormat {
    fn default() -> Self {
        Self::new()
    }
}

impl Format for DefaultFormat {
    fn rules(&self) -> FormatRules {
        FormatRules::default()
    }

    fn new_key(&self) -> Result<SessionKey> {
        let mut secret = [0; KEY_BYTES];
        (self.random)(&mut secret).map_err(|source| {
            Error::new(
                ErrorKind::Random,
                "making a session key: the operating system gives no random numbers",
            )
            .with_source(source)
        })?;
        let mut text = [0; KEY_CHARS];
        BASE64URL_NOPAD.encode_mut(&secret, &mut text);
        Ok(SessionKey::new(
            std::str::from_utf8(&text).expect("base64 is ASCII"),
        ))
    }

    fn parse_key(&self, text: &str) -> Option<SessionKey> {
        // Decoding refuses a last character whose unused bits are set, so a key has only one text.
        let mut secret = [0; KEY_BYTES];
        (text.len() == KEY_CHARS
            && BASE64URL_NOPAD
                .decode_mut(text.as_bytes(), &mut secret)
                .is_ok())
        .then(|| SessionKey::new(text))
    }

    fn store_key(&self, namespace: &str, key: &SessionKey) -> StoreKey {
        let hash = Sha256::new()
            .chain_update(namespace)
            .chain_update("=")
            .chain_update(key.reveal());
        StoreKey::new(&hash.finalize())
    }

    fn encode(&self, data: &SessionData, _now: SystemTime) -> Result<Bytes> {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_u8(VERSION);
        match data.expiry {
            Expiry::Policy => bytes.put_slice(b"{"),
            Expiry::Idle(age) => {
                bytes.put_slice(format!("{{\"idle_secs\":{},", whole_secs(age)).as_bytes());
            }
            Expiry::BrowserCloseOrIdle(age) => {
                let secs = whole_secs(age);
                let members = format!("{{\"browser_close\":true,\"idle_secs\":{secs},");
                bytes.put_slice(members.as_bytes());
            }
            Expiry::At(at) => {
                bytes.put_slice(format!("{{\"expires_at\":{},", millis(at)).as_bytes());
            }
            Expiry::BrowserClose => bytes.put_slice(b"{\"browser_close\":true,"),
        }
        bytes.put_slice(b"\"items\":{");
        for (nth, (name, value)) in data.items.iter().enumerate() {
            if nth > 0 {
                bytes.put_u8(b',');
            }
            bytes.put_slice(Value::of(&**name)?.as_json()?);
            bytes.put_u8(b':');
            bytes.put_slice(value.as_json()?);
        }
        bytes.put_slice(b"}}");
        Ok(bytes.freeze())
    }

    fn decode(&self, bytes: &Bytes) -> Result<SessionData> {
        let object: DataObject<'_> = parse(bytes)?;
        Ok(object.into_data(bytes))
    }

    fn encode_tombstone(&self, tombstone: &Tombstone) -> Result<Option<Bytes>> {
        let object = TombstoneObject {
            moved_to: BASE64URL_NOPAD.encode(tombstone.successor.as_bytes()),
            owner: tombstone.owner.as_ref().map(|owner| owner.as_str().into()),
        };
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(Value::of(&object)?.as_json()?);
        Ok(Some(bytes.into()))
    }

    fn decode_tombstone(&self, bytes: &Bytes) -> Result<Tombstone> {
        let object: TombstoneObject = parse(bytes)?;
        let successor = BASE64URL_NOPAD.decode(object.moved_to.as_bytes());
        let successor = successor.map_err(|_| corrupt("its `moved_to` is not base64url"))?;
        let owner = object.owner.map(Owner::from);
        Ok(Tombstone::new(StoreKey::new(&successor), owner))
    }
}

/// Parses the JSON object after the format version.
fn parse<'a, T: Deserialize<'a>>(bytes: &'a Bytes) -> Result<T> {
    match bytes.split_first() {
        Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|source| {
            let class = source.classify();
            corrupt(format!("its JSON is invalid ({class:?} error)"))
        }),
        Some((version, _)) => Err(corrupt(format!(
            "it has format version {version}, and this program reads version {VERSION}"
        ))),
        None => Err(corrupt("it is empty")),
    }
}

/// The JSON object of a tombstone.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct TombstoneObject {
    moved_to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
}

/// The JSON object of an entry. The values borrow from the buffer that the store returned.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DataObject<'a> {
    idle_secs: Option<u64>,
    expires_at: Option<i64>,
    browser_close: Option<bool>,
    #[serde(borrow)]
    items: RawItems<'a>,
}

impl DataObject<'_> {
    fn into_data(self, bytes: &Bytes) -> SessionData {
        let mut items = Items::new();
        for (name, value) in self.items.0 {
            let text = bytes.slice_ref(value.get().as_bytes());
            items.set(name.into(), Value::from_json(text));
        }
        let expiry = match (self.idle_secs, self.expires_at, self.browser_close) {
            (Some(secs), _, Some(true)) => Expiry::BrowserCloseOrIdle(Duration::from_secs(secs)),
            (Some(secs), _, _) => Expiry::Idle(Duration::from_secs(secs)),
            (_, Some(at), _) => Expiry::At(from_millis(at)),
            (_, _, Some(true)) => Expiry::BrowserClose,
            _ => Expiry::Policy,
        };
        SessionData { items, expiry }
    }
}

struct RawItems<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawItems<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;

        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = RawItems<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of items")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = map.next_entry()? {
                    if items.len() == MAX_ITEMS {
                        return Err(A::Error::custom("too many items"));
                    }
                    items.push(item);
                }
                Ok(RawItems(items))
            }
        }

        deserializer.deserialize_map(ItemsVisitor)
    }
}

/// Rounds up to whole seconds.
fn whole_secs(age: Duration) -> u64 {
    age.as_secs()
        .saturating_add(u64::from(age.subsec_nanos() > 0))
}

fn corrupt(what: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("reading a stored session: {what}"),
    )
}

/// The format version, which is the first byte of the data.
const VERSION: u8 = 1;

const KEY_BYTES: usize = 32;
const KEY_CHARS: usize = 43;

/// The maximum number of items that are decoded. Bounds the memory that a damaged entry can claim.
const MAX_ITEMS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::{collection, option};

    use super::*;

    #[test]
    fn keys_have_256_bits_and_differ() {
        let keys: std::collections::HashSet<String> = (0..1_000)
            .map(|_| DefaultFormat::new().new_key().unwrap().reveal().to_owned())
            .collect();

        assert_eq!(keys.len(), 1_000);
        for key in &keys {
            assert_eq!(BASE64URL_NOPAD.decode(key.as_bytes()).unwrap().len(), 32);
        }
    }

    #[test]
    fn deeply_nested_data_is_an_error_and_does_not_overflow_the_stack() {
        let deep = |levels: usize| {
            let nested = "[".repeat(levels) + &"]".repeat(levels);
            let data = format!("\u{1}{{\"items\":{{\"x\":{nested}}}}}");
            DefaultFormat::new().decode(&Bytes::from(data))
        };

        assert!(deep(100).is_ok());
        let read = deep(100_000).and_then(|data| {
            let value = data.items.get("x").expect("it was decoded");
            value.get::<serde_json::Value>().map(drop)
        });
        assert!(read.is_err());
    }

    #[test]
    fn a_failing_source_of_random_numbers_is_an_error() {
        let format = DefaultFormat {
            random: |_| Err(getrandom::Error::UNSUPPORTED),
        };

        assert_eq!(format.new_key().unwrap_err().kind(), ErrorKind::Random);
    }

    #[test]
    fn a_key_is_exactly_43_characters_of_canonical_base64url() {
        let good = "A".repeat(43);
        assert_eq!(
            DefaultFormat::new().parse_key(&good).unwrap().reveal(),
            good
        );

        let bad = [
            String::new(),
            " ".into(),
            "null".into(),
            "A".repeat(42),
            "A".repeat(44),
            "A".repeat(42) + "B",
            "A".repeat(42) + "=",
            "A".repeat(42) + "+",
            "A".repeat(41) + "é",
            "A".repeat(42) + "\0",
            "../".repeat(14) + "A",
            "A".repeat(1 << 20),
        ];
        for text in bad {
            assert!(
                DefaultFormat::new().parse_key(&text).is_none(),
                "{text:.50?}"
            );
        }
    }

    #[test]
    fn the_store_key_is_the_sha_256_of_namespace_and_key() {
        let store_key = |namespace: &str, key: &str| {
            let key = DefaultFormat::new().store_key(namespace, &SessionKey::new(key));
            data_encoding::HEXLOWER.encode(key.as_bytes())
        };

        assert_eq!(
            store_key("__Host-session", &"A".repeat(43)),
            "36cf4512737d4b0be7ed5ad9593e9e0f76fa25f1c770eab2e72d96fc4593159d",
            "printf '__Host-session=AAA…' | sha256sum"
        );
        assert_ne!(store_key("a", "bc"), store_key("ab", "c"));
    }

    #[test]
    fn the_bytes_are_as_documented() {
        let mut data = SessionData::default();
        data.items.set("n".into(), Value::of(&1).unwrap());
        data.items.set("té\"xt".into(), Value::of("a\0b").unwrap());
        assert_eq!(
            encoded(&data),
            "\u{1}{\"items\":{\"n\":1,\"té\\\"xt\":\"a\\u0000b\"}}"
        );

        data.items.clear();
        data.expiry = Expiry::Idle(Duration::from_millis(90_500));
        assert_eq!(encoded(&data), "\u{1}{\"idle_secs\":91,\"items\":{}}");
        data.expiry = Expiry::At(from_millis(1_764_000_000_123));
        assert_eq!(
            encoded(&data),
            "\u{1}{\"expires_at\":1764000000123,\"items\":{}}"
        );
        data.expiry = Expiry::BrowserClose;
        assert_eq!(encoded(&data), "\u{1}{\"browser_close\":true,\"items\":{}}");
        data.expiry = Expiry::BrowserCloseOrIdle(Duration::from_secs(90));
        assert_eq!(
            encoded(&data),
            "\u{1}{\"browser_close\":true,\"idle_secs\":90,\"items\":{}}"
        );
        let read = DefaultFormat::new().decode(&encoded(&data)).unwrap();
        assert_eq!(read.expiry, data.expiry);
    }

    #[test]
    fn an_unchanged_value_is_written_back_byte_for_byte() {
        let bytes = Bytes::from_static(
            b"\x01{\"items\":{\"b\":[1.50, 1E5,{\"z\":1,\"a\":-0}],\
              \"a\":123456789012345678901234567890}}",
        );

        let data = DefaultFormat::new().decode(&bytes).unwrap();

        assert_eq!(DefaultFormat::new().encode(&data, NOW).unwrap(), bytes);
    }

    #[test]
    fn a_foreign_value_is_refused() {
        let mut data = SessionData::default();
        let foreign = Value::foreign(Bytes::from_static(b"null"));
        data.items.set("a".into(), foreign);

        let error = DefaultFormat::new().encode(&data, NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadValue);
    }

    #[test]
    fn floats_survive_exactly() {
        let value = Value::of(&4.089_738_611_540_824_4e-141).unwrap();
        assert_eq!(value.get::<f64>().unwrap(), 4.089_738_611_540_824_4e-141);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_corrupt() {
        let bad: [&[u8]; 7] = [
            b"",
            b"\x01",
            b"\x02{\"items\":{}}",
            b"\x01{}",
            b"\x01{\"items\":[]}",
            b"\x01{\"items\":{},\"more\":1}",
            b"\x01{\"items\":{\"a\":\xff}}",
        ];
        for bytes in bad {
            let error = DefaultFormat::new()
                .decode(&Bytes::from_static(bytes))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes in collection::vec(any::<u8>(), 0..200)) {
            let _ = DefaultFormat::new().decode(&Bytes::from(bytes));
        }

        #[test]
        fn encoded_items_are_decoded_unchanged(
            items in collection::btree_map(
                ".{0,8}",
                collection::vec(option::of(".{0,8}"), 0..3),
                0..5,
            ),
        ) {
            let mut data = SessionData::default();
            for (name, value) in &items {
                data.items.set(name.clone().into(), Value::of(value).unwrap());
            }

            let read = DefaultFormat::new().decode(&encoded(&data)).unwrap();

            prop_assert_eq!(read.items.len(), items.len());
            for (name, value) in &items {
                let read: Vec<Option<String>> = read.items.get(name).unwrap().get().unwrap();
                prop_assert_eq!(&read, value);
            }
        }
    }

    fn encoded(data: &SessionData) -> Bytes {
        DefaultFormat::new().encode(data, NOW).unwrap()
    }

    /// Any time will do: this format ignores it.
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
}
