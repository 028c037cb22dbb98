//! Reads the vectors: recorded answers of a real Django, grouped into sections.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::session::{Items, Value};
use cloakroom_django::wire::json;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Cases that are not run, by their ids, with the reason.
const EXEMPT: &[(&str, &str)] = &[];

/// Runs every case of a section. Panics with the ids of the cases that failed.
pub(crate) fn each(section: &str, check: impl Fn(&Case)) {
    let cases = &FILE.sections[section].cases;
    let (mut run, mut exempt, mut failed) = (0, 0, Vec::new());
    for case in cases {
        let id: String = case.get("id");
        if let Some((_, why)) = EXEMPT.iter().find(|(exempt, _)| *exempt == id) {
            println!("{id}: not run: {why}");
            exempt += 1;
            continue;
        }
        run += 1;
        if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
            let name = case.find::<String>("name").unwrap_or_default();
            failed.push(format!("{id} {name}"));
        }
    }
    println!(
        "{section}: {run} run, {} failed, {exempt} exempt",
        failed.len()
    );
    assert!(run > 0, "{section} has no case to run");
    assert!(failed.is_empty(), "{section}: {failed:#?}");
}

/// Returns the names of all sections in alphabetical order.
pub(crate) fn sections() -> Vec<&'static str> {
    FILE.sections.keys().map(String::as_str).collect()
}

#[derive(Deserialize)]
struct File {
    sections: BTreeMap<String, Section>,
}

#[derive(Deserialize)]
struct Section {
    cases: Vec<Case>,
}

/// One case. Its fields are not parsed yet.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Case(BTreeMap<String, Box<RawValue>>);

impl Case {
    /// Parses a field that must be present.
    pub(crate) fn get<T: DeserializeOwned>(&self, field: &str) -> T {
        self.find(field)
            .unwrap_or_else(|| panic!("the case has no {field}"))
    }

    /// Parses a field, or returns `None` if it is missing or null.
    pub(crate) fn find<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        serde_json::from_str(self.0.get(field)?.get()).unwrap()
    }

    /// Returns whether the field is present, even as null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// Parses a field that contains a time.
    pub(crate) fn time(&self, field: &str) -> SystemTime {
        let secs: f64 = self.get(field);
        UNIX_EPOCH + Duration::from_micros((secs * 1e6).round() as u64)
    }

    /// Parses a field that contains a session. Every item becomes the value that a handler would
    /// set.
    pub(crate) fn items(&self, field: &str) -> Items {
        items_of(&self.get(field))
    }
}

/// Returns the items of an object.
pub(crate) fn items_of(object: &Ordered) -> Items {
    let Ordered::Object(members) = object else {
        panic!("the session is not an object")
    };
    let mut items = Items::new();
    for (name, value) in members {
        items.set(name.clone().into(), Value::of(value).unwrap());
    }
    items
}

/// Returns the JSON that Django would write. Tests compare items by this text, because different
/// items have different texts.
pub(crate) fn to_json(items: &Items) -> String {
    json::write(items).unwrap()
}

/// JSON whose objects keep the order of their members.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ordered {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(items) => serializer.collect_map(items.iter().map(|(k, v)| (k, v))),
        }
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderedVisitor;

        impl<'de> Visitor<'de> for OrderedVisitor {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Ordered, E> {
                Ok(Ordered::Null)
            }

            fn visit_bool<E>(self, yes: bool) -> Result<Ordered, E> {
                Ok(Ordered::Bool(yes))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Ordered, E> {
                Ok(Ordered::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Ordered, E> {
                Ok(Ordered::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Ordered, E> {
                Ok(Ordered::Number(
                    serde_json::Number::from_f64(number).unwrap(),
                ))
            }

            fn visit_str<E>(self, text: &str) -> Result<Ordered, E> {
                Ok(Ordered::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ordered, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Ordered::Array(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = map.next_entry()? {
                    items.push(item);
                }
                Ok(Ordered::Object(items))
            }
        }

        deserializer.deserialize_any(OrderedVisitor)
    }
}

static FILE: LazyLock<File> = LazyLock::new(|| {
    let path =
        std::env::var("CLOAKROOM_DJANGO_VECTORS").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
});

const DEFAULT_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/django.json");
