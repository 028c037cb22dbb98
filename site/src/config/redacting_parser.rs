use std::{ffi::OsStr, fmt::Display, marker::PhantomData, str::FromStr};

use clap::{Arg, Command, builder::TypedValueParser, error::ErrorKind};

/// Parses a setting that may contain a password. Its error messages do not repeat the value, unlike
/// those of clap's parsers.
pub(super) struct RedactingParser<T>(PhantomData<fn() -> T>);

impl<T> RedactingParser<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for RedactingParser<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T> TypedValueParser for RedactingParser<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let parsed = match value.to_str() {
            Some(text) => text.parse().map_err(|error: T::Err| error.to_string()),
            None => Err("it is not UTF-8".to_owned()),
        };
        parsed.map_err(|why| {
            let flag = arg.map_or_else(String::new, |arg| format!(" for '{arg}'"));
            let text = format!("invalid value{flag}: {why}\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}
