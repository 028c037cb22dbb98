//! Writes values as JSON text that reads back as the same value.

use std::cell::Cell;
use std::fmt::Display;

use serde::ser::{self, Serialize, Serializer};

use super::limits;

/// Serializes `value` as JSON.
///
/// serde_json writes both `Some(None)` and a float that is not finite as `null`. It also writes
/// large integers and deep nesting that it cannot read back. For each of these values, this
/// function returns an error.
pub(super) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Refused> {
    let mut text = Vec::with_capacity(128);
    let why = Cell::new("it has no JSON form");
    let written = value.serialize(Checked {
        json: &mut serde_json::Serializer::new(&mut text),
        place: Place {
            depth: 0,
            in_some: false,
            why: &why,
        },
    });
    match written {
        Ok(()) => Ok(text),
        Err(source) => Err(Refused {
            why: why.get(),
            source,
        }),
    }
}

/// Why a value cannot be written.
#[derive(Debug)]
pub(super) struct Refused {
    /// The reason, without any part of the value.
    pub(super) why: &'static str,
    pub(super) source: serde_json::Error,
}

/// Wraps `json`: a serializer, or the part of one that writes an array or an object. Refuses values
/// that would not read back as the same value, and passes all other values on.
struct Checked<'a, S> {
    json: S,
    place: Place<'a>,
}

/// A value that is serialized with a [`Checked`] serializer.
struct CheckedValue<'a, T: ?Sized> {
    value: &'a T,
    place: Place<'a>,
}

/// The position of a part, such as an element or a field, within the whole value.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The number of arrays and objects around the part.
    depth: usize,
    /// Whether the part is the content of a `Some`.
    in_some: bool,
    /// Receives the reason if the value is refused.
    why: &'a Cell<&'static str>,
}

impl Place<'_> {
    /// Returns the place inside `levels` more arrays or objects.
    fn inside<E: ser::Error>(self, levels: usize) -> Result<Self, E> {
        let depth = self.depth + levels;
        if depth > limits::NESTING {
            return Err(self.refuse("it has more than 127 arrays and objects inside each other"));
        }
        Ok(Self {
            depth,
            in_some: false,
            ..self
        })
    }

    /// Returns an error if this place is the content of a `Some`: a `null` there would be read back
    /// as `None`.
    fn null<E: ser::Error>(self) -> Result<(), E> {
        match self.in_some {
            true => Err(self.refuse(
                "it contains a `Some` that is written as `null` and would be read back as `None`",
            )),
            false => Ok(()),
        }
    }

    fn finite<E: ser::Error>(self, is_finite: bool) -> Result<(), E> {
        match is_finite {
            true => Ok(()),
            false => Err(self.refuse("it contains a float that is infinite or not a number")),
        }
    }

    fn refuse<E: ser::Error>(self, why: &'static str) -> E {
        self.why.set(why);
        E::custom(why)
    }
}

impl<T: Serialize + ?Sized> Serialize for CheckedValue<'_, T> {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked {
            json,
            place: self.place,
        })
    }
}

macro_rules! pass_on {
    ($($method:ident: $type:ty),+) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.json.$method(value)
        }
    )+};
}

impl<'a, S: Serializer> Serializer for Checked<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checked<'a, S::SerializeSeq>;
    type SerializeTuple = Checked<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Checked<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Checked<'a, S::SerializeTupleVariant>;
    type SerializeMap = Checked<'a, S::SerializeMap>;
    type SerializeStruct = Checked<'a, S::SerializeStruct>;
    type SerializeStructVariant = Checked<'a, S::SerializeStructVariant>;

    pass_on! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    fn serialize_i128(self, value: i128) -> Result<S::Ok, S::Error> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.json.serialize_i64(value),
            (_, Ok(value)) => self.json.serialize_u64(value),
            _ => Err(self.place.refuse(TOO_LARGE)),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<S::Ok, S::Error> {
        match u64::try_from(value) {
            Ok(value) => self.json.serialize_u64(value),
            Err(_) => Err(self.place.refuse(TOO_LARGE)),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.place.finite(value.is_finite())?;
        self.json.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.place.finite(value.is_finite())?;
        self.json.serialize_f64(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        self.place.inside(1)?;
        self.json.serialize_bytes(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.place.null()?;
        self.json.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let place = Place {
            in_some: true,
            ..self.place
        };
        self.json.serialize_some(&CheckedValue { value, place })
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.place.null()?;
        self.json.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.place.null()?;
        self.json.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.json.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        // A newtype is written as its content.
        let place = self.place;
        let value = CheckedValue { value, place };
        self.json.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let place = self.place.inside(1)?;
        let value = CheckedValue { value, place };
        self.json
            .serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Checked {
            place: self.place.inside(1)?,
            json: self.json.serialize_seq(len)?,
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Checked {
            place: self.place.inside(1)?,
            json: self.json.serialize_tuple(len)?,
        })
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(Checked {
            place: self.place.inside(1)?,
            json: self.json.serialize_tuple_struct(name, len)?,
        })
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        // An object with one member, which is an array.
        Ok(Checked {
            place: self.place.inside(2)?,
            json: self
                .json
                .serialize_tuple_variant(name, index, variant, len)?,
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Checked {
            place: self.place.inside(1)?,
            json: self.json.serialize_map(len)?,
        })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        Ok(Checked {
            place: self.place.inside(1)?,
            json: self.json.serialize_struct(name, len)?,
        })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        // An object with one member, which is an object.
        Ok(Checked {
            place: self.place.inside(2)?,
            json: self
                .json
                .serialize_struct_variant(name, index, variant, len)?,
        })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.json.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.json.is_human_readable()
    }
}

macro_rules! check_parts {
    ($($part:ident: $method:ident($($key:ident)?)),+) => {$(
        impl<P: ser::$part> ser::$part for Checked<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($key: &'static str,)?
                value: &T,
            ) -> Result<(), P::Error> {
                let place = self.place;
                self.json.$method($($key,)? &CheckedValue { value, place })
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.json.end()
            }
        }
    )+};
}

check_parts! {
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(key),
    SerializeStructVariant: serialize_field(key)
}

impl<M: ser::SerializeMap> ser::SerializeMap for Checked<'_, M> {
    type Ok = M::Ok;
    type Error = M::Error;

    /// Keys need no check: serde_json writes every key that it accepts as text, and reads the text
    /// back as the type of the key.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), M::Error> {
        self.json.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), M::Error> {
        let place = self.place;
        self.json.serialize_value(&CheckedValue { value, place })
    }

    fn end(self) -> Result<M::Ok, M::Error> {
        self.json.end()
    }
}

const TOO_LARGE: &str =
    "it contains an integer that needs more than 64 bits; store the integer as text";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_written_value_reads_back_as_the_same_value() {
        assert_reads_back(&(1_u8, -1_i8, u64::MAX, i64::MIN, 1.5_f32, f64::MIN_POSITIVE));
        assert_reads_back(&(
            i128::from(i64::MIN),
            u128::from(u64::MAX),
            'é',
            String::from("té\"xt"),
        ));
        assert_reads_back(&[Some(Some(1)), Some(Some(2)), None]);
        assert_reads_back(&Shape::all().map(Some));
        assert_reads_back(&BTreeMap::from([(1_u64, None), (2, Some(Shape::Point))]));
        assert_reads_back(&BTreeMap::from([(u128::MAX, ((), [(); 2]))]));
        assert_reads_back(&serde_json::json!({"a": [null, {"b": 1.5}], "c": u64::MAX}));
        let raw = RawValue::from_string("{ \"as\": [1.50, \"it is\"] }".into()).unwrap();
        assert_eq!(write(&raw).unwrap(), raw.get().as_bytes());
    }

    #[test]
    fn a_value_that_would_read_back_differently_is_refused_at_any_depth() {
        assert_refused_at_any_depth(&f64::NAN, "a float");
        assert_refused_at_any_depth(&f32::NEG_INFINITY, "a float");
        assert_refused_at_any_depth(&Some(None::<u8>), "a `Some`");
        assert_refused_at_any_depth(&Some(()), "a `Some`");
        assert_refused_at_any_depth(&Some(Wrapper(None)), "a `Some`");
        assert_refused_at_any_depth(&Some(serde_json::Value::Null), "a `Some`");
        assert_refused_at_any_depth(&u128::MAX, "more than 64 bits");
        assert_refused_at_any_depth(&i128::MIN, "more than 64 bits");
    }

    #[test]
    fn nesting_is_limited_to_the_depth_that_reads_back() {
        let nested = |depth: usize| -> serde_json::Value {
            (0..depth).fold(serde_json::json!(1), |inner, _| {
                [inner].into_iter().collect()
            })
        };
        assert_reads_back(&nested(limits::NESTING));
        assert_refused(&nested(limits::NESTING + 1), "more than 127 arrays");
        let text = nested(limits::NESTING + 1).to_string();
        let read = serde_json::from_str::<serde_json::Value>(&text);
        assert!(read.is_err(), "serde_json does not read deeper nesting");

        #[derive(Debug, Deserialize, PartialEq, Serialize)]
        enum Chain {
            End,
            Newtype(Box<Self>),
            Tuple(Box<Self>, u8),
            Struct { next: Box<Self> },
        }
        let assert_longest = |link: fn(Box<Chain>) -> Chain, levels: usize| {
            let links = limits::NESTING / levels;
            let chain = (0..links).fold(Chain::End, |next, _| link(Box::new(next)));
            assert_reads_back(&chain);
            assert_refused(&link(Box::new(chain)), "more than 127");
        };
        assert_longest(Chain::Newtype, 1);
        assert_longest(|next| Chain::Tuple(next, 1), 2);
        assert_longest(|next| Chain::Struct { next }, 2);
    }

    #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
    enum Shape {
        Point,
        Wrapped(Wrapper),
        Line(u8, Option<f32>),
        Box { width: f64, name: Option<String> },
    }

    impl Shape {
        fn all() -> [Self; 4] {
            [
                Self::Point,
                Self::Wrapped(Wrapper(None)),
                Self::Line(1, Some(0.1)),
                Self::Box {
                    width: 0.1,
                    name: None,
                },
            ]
        }
    }

    #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
    struct Wrapper(Option<u8>);

    fn assert_reads_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
        let text = write(value).unwrap();
        assert_eq!(serde_json::from_slice::<T>(&text).unwrap(), *value);
        assert_eq!(text, serde_json::to_vec(value).unwrap());
    }

    /// Asserts that `value` is refused, both alone and as a part of other values.
    fn assert_refused_at_any_depth<T: Serialize>(value: &T, why: &str) {
        #[derive(Serialize)]
        enum Part<T> {
            Newtype(T),
            Tuple(u8, T),
            Struct { part: T },
        }
        assert_refused(value, why);
        assert_refused(&[value], why);
        assert_refused(&(1, value), why);
        assert_refused(&BTreeMap::from([("a", vec![Some(value)])]), why);
        assert_refused(&Part::Newtype(value), why);
        assert_refused(&Part::Tuple(1, value), why);
        assert_refused(&Part::Struct { part: value }, why);
    }

    fn assert_refused<T: Serialize>(value: &T, why: &str) {
        let refused = write(value).unwrap_err();
        assert!(refused.why.contains(why), "{refused:?}");
    }
}
