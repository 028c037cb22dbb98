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
    Error, ErrorKind, Expiry, Items, Result, SessionData, SessionKey, StoreKey, Value, from_millis,
    millis,
};

/// Cloakroom's own format: the default.
///
/// * **Key**: 256 bits from the operating system as 43 characters of base64url without padding (RFC 4648 §5).
/// * **Lookup**: the SHA-256 of those 43 characters. A stolen store opens no session.
/// * **Data**: a byte `1`, the version of the format, and a JSON object. Its member `items` holds the items in their
///   order, each value with the text that it was set with. A session that asked for an expiry of its own has one
///   more member in front: `idle_secs` or `expires_at` (milliseconds since 1970), both numbers, or
///   `browser_close`, which is `true`. One that ends with the browser or when idle has `browser_close` and `idle_secs`.
///
/// An idle time is kept in whole seconds, rounded up.
#[derive(Clone, Debug)]
pub struct DefaultFormat {
    random: fn(&mut [u8]) -> Result<(), getrandom::Error>,
}

impl DefaultFormat {
    /// The format.
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
        // Decoding refuses a last character with unused bits set, so no two texts are the same key.
        let mut secret = [0; KEY_BYTES];
        (text.len() == KEY_CHARS
            && BASE64URL_NOPAD
                .decode_mut(text.as_bytes(), &mut secret)
                .is_ok())
        .then(|| SessionKey::new(text))
    }

    fn store_key(&self, key: &SessionKey) -> StoreKey {
        StoreKey::new(&Sha256::digest(key.reveal()))
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
        match bytes.split_first() {
            Some((&VERSION, json)) => {
                let form: Form<'_> = serde_json::from_slice(json).map_err(|source| {
                    corrupt(format!(
                        "not the JSON it should be ({:?} error)",
                        source.classify()
                    ))
                })?;
                Ok(form.into_data(bytes))
            }
            Some((version, _)) => Err(corrupt(format!(
                "format version {version} is not known here; this program writes version {VERSION}"
            ))),
            None => Err(corrupt("it is empty")),
        }
    }
}

/// The JSON of an entry, with the values still in the buffer that came from the store.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    idle_secs: Option<u64>,
    expires_at: Option<i64>,
    browser_close: Option<bool>,
    #[serde(borrow)]
    items: RawItems<'a>,
}

impl Form<'_> {
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

/// Whole seconds, rounded up.
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

/// The version of the format, in the first byte of the data.
const VERSION: u8 = 1;

const KEY_BYTES: usize = 32;
const KEY_CHARS: usize = 43;

/// More than any session has; a bound on what a damaged entry can make us build.
const MAX_ITEMS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::{collection, option};

    use super::*;

    #[test]
    fn a_key_is_256_bits_of_the_operating_systems_and_no_two_are_alike() {
        let keys: std::collections::HashSet<String> = (0..1_000)
            .map(|_| DefaultFormat::new().new_key().unwrap().reveal().to_owned())
            .collect();

        assert_eq!(keys.len(), 1_000);
        for key in &keys {
            assert_eq!(BASE64URL_NOPAD.decode(key.as_bytes()).unwrap().len(), 32);
        }
    }

    #[test]
    fn a_failing_source_of_random_numbers_is_an_error_and_never_a_weaker_key() {
        let format = DefaultFormat {
            random: |_| Err(getrandom::Error::UNSUPPORTED),
        };

        assert_eq!(format.new_key().unwrap_err().kind(), ErrorKind::Random);
    }

    #[test]
    fn only_43_characters_of_canonical_base64url_are_a_key() {
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
    fn the_store_key_is_the_sha_256_of_the_text() {
        let store_key = DefaultFormat::new().store_key(&SessionKey::new("abc"));

        assert_eq!(
            store_key.as_bytes()[..4],
            [0xba, 0x78, 0x16, 0xbf],
            "FIPS 180-2, appendix B.1"
        );
    }

    #[test]
    fn the_bytes_are_what_the_documentation_says() {
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
    fn a_value_that_nobody_touched_is_passed_through_byte_for_byte() {
        let bytes = Bytes::from_static(
            b"\x01{\"items\":{\"b\":[1.50, 1E5,{\"z\":1,\"a\":-0}],\"a\":123456789012345678901234567890}}",
        );

        let data = DefaultFormat::new().decode(&bytes).unwrap();

        assert_eq!(DefaultFormat::new().encode(&data, NOW).unwrap(), bytes);
    }

    #[test]
    fn a_value_that_another_format_keeps_is_refused() {
        let mut data = SessionData::default();
        let foreign = Value::foreign(Bytes::from_static(b"null"));
        data.items.set("a".into(), foreign);

        let error = DefaultFormat::new().encode(&data, NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadValue);
    }

    #[test]
    fn a_float_is_read_as_the_one_that_was_written() {
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
        fn no_bytes_panic(bytes in collection::vec(any::<u8>(), 0..200)) {
            let _ = DefaultFormat::new().decode(&Bytes::from(bytes));
        }

        #[test]
        fn what_was_written_is_read(
            items in collection::btree_map(".{0,8}", collection::vec(option::of(".{0,8}"), 0..3), 0..5),
        ) {
            let mut data = SessionData::default();
            for (name, value) in &items {
                data.items.set(name.clone().into(), Value::of(value).unwrap());
            }

            let read = DefaultFormat::new().decode(&DefaultFormat::new().encode(&data, NOW).unwrap()).unwrap();

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

    /// It is all the same to this format.
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
}
