//! Requests and replies, each a JSON object on one line. The values of items pass through
//! unchanged.

use std::fmt;
use std::time::SystemTime;

use cloakroom::session::{Items, Value};
use cloakroom::{Error, ErrorKind};
use cloakroom_django::wire::{date, json};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) struct Request(Items);

impl Request {
    pub(crate) fn read(line: &str) -> Result<Self, json::NotJson> {
        json::read(line.as_bytes()).map(Self)
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, PythonException> {
        Ok(self.value(name)?.get()?)
    }

    /// Returns the items of an object.
    pub(crate) fn items(&self, name: &str) -> Result<Items, PythonException> {
        let text = self.value(name)?.as_json()?;
        json::read(text).map_err(|error| PythonException::new("ValueError", error.to_string()))
    }

    /// Returns the time of the request, if it has one.
    pub(crate) fn now(&self) -> Result<Option<SystemTime>, PythonException> {
        match self.0.get("now") {
            Some(now) => Ok(date::parse_iso(&now.get::<String>()?)),
            None => Ok(None),
        }
    }

    fn value(&self, name: &str) -> Result<&Value, PythonException> {
        let missing = || PythonException::new("ValueError", format!("`{name}` is missing"));
        self.0.get(name).ok_or_else(missing)
    }
}

/// The object in a reply. An empty object is sent as `null`.
#[derive(Default)]
pub(crate) struct Reply(Items);

impl Reply {
    /// Returns the line that answers `request`.
    pub(crate) fn line(
        request: &Request,
        answered: Result<Self, PythonException>,
        log: Vec<serde_json::Value>,
    ) -> cloakroom::Result<String> {
        let mut line = Self::default();
        if let Some(id) = request.0.get("id") {
            line = line.with_value("id", id.clone());
        }
        line = match answered {
            Ok(Self(nothing)) if nothing.is_empty() => line.with("ok", ())?,
            Ok(Self(answer)) => line.with_items("ok", &answer)?,
            Err(PythonException { kind, message }) => line.with(
                "error",
                serde_json::json!({ "type": kind, "message": message }),
            )?,
        };
        if !log.is_empty() {
            line = line.with("log", log)?;
        }
        json::write(&line.0)
    }

    pub(crate) fn with(self, name: &'static str, value: impl Serialize) -> cloakroom::Result<Self> {
        Ok(self.with_value(name, Value::of(&value)?))
    }

    pub(crate) fn with_items(self, name: &'static str, items: &Items) -> cloakroom::Result<Self> {
        let text = json::write(items)?;
        Ok(self.with_value(name, Value::from_json(text.into())))
    }

    fn with_value(mut self, name: &'static str, value: Value) -> Self {
        self.0.set(name.into(), value);
        self
    }
}

/// An error that `tests/django/bridge` raises as a Python exception of the class `kind`.
#[derive(Debug)]
pub(crate) struct PythonException {
    kind: &'static str,
    message: String,
}

impl PythonException {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for PythonException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl From<Error> for PythonException {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Config => "ImproperlyConfigured",
            ErrorKind::Interrupted => "UpdateError",
            _ => "RuntimeError",
        };
        Self::new(kind, format!("{error:#}"))
    }
}
