use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cloakroom::{Error, Result};

use crate::error::{CHOOSING, refused};
use crate::kind::StoreKind;
use crate::scheme::PREFIX;

/// Where sessions are to be kept; see the [crate](crate) for what there is.
///
/// Parsing finds everything that can be found without asking a server. `Display` and `Debug` leave out passwords, and
/// so do errors.
#[derive(Clone)]
pub struct StoreUrl {
    pub(crate) kind: StoreKind,
    /// The URL without the options that are ours.
    pub(crate) url: String,
    pub(crate) options: Options,
}

impl StoreUrl {
    /// Whether this is the place of a Django site, `django+…`: for [`engine`](Self::engine), and not for
    /// [`open`](Self::open).
    pub fn is_django(&self) -> bool {
        self.kind.django().is_some()
    }

    /// Whether it can be the front of `back`.
    fn check_cache_of(&self, back: &Self) -> Result<()> {
        match (self.kind.django(), back.kind.django()) {
            (None, None) => {}
            (Some(front), Some(_)) if front.is_cache() && back.options.cached.is_none() => {}
            (Some(front), Some(_)) if front.is_cache() => {
                return Err(refused(
                    "the copies in the cache of a Django site are read until the session ends; leave out `cached`",
                ));
            }
            (_, Some(_)) => {
                return Err(refused(
                    "`front` must be the site's cache, as in front=django+redis://…",
                ));
            }
            (Some(_), None) => {
                return Err(refused(
                    "`front` is a place of a Django site, and the one behind is not; both or neither must be",
                ));
            }
        }
        if self.kind == StoreKind::Cookie {
            return Err(refused(
                "`front` must be a place on the server; `cookie:` is with the visitor",
            ));
        }
        if self.options.cached.is_some() || self.options.front.is_some() {
            return Err(refused(
                "`front` has a front of its own; give `cached` to the place behind, and one `front`",
            ));
        }
        let is_same = self.url == back.url
            && self.options.table == back.options.table
            && self.options.prefix == back.options.prefix;
        if is_same {
            return Err(refused(
                "`front` is the very place that it is to stand before; name another one, or another `table` or \
                 `prefix` there",
            ));
        }
        Ok(())
    }

    /// The URL as the driver knows it.
    #[allow(dead_code, reason = "without any feature there is no driver")]
    pub(crate) fn driver_url(&self) -> &str {
        self.url.strip_prefix(PREFIX).unwrap_or(&self.url)
    }

    /// What comes after the scheme.
    pub(crate) fn path(&self) -> &str {
        let rest = self.url.split_once(':').map_or("", |(_, rest)| rest);
        rest.strip_prefix("//").unwrap_or(rest)
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scheme, _) = text.split_once(':').unwrap_or((text, ""));
        let kind = StoreKind::from_scheme(scheme)?;
        let (url, options) = Options::split_off(text, kind)?;
        let url = Self { kind, url, options };
        if kind.needs_path() && url.path().is_empty() {
            return Err(refused(&format!(
                "`{scheme}:` needs a path, as in {}",
                kind.usage()
            )));
        }
        if let Some(front) = &url.options.front {
            front.check_cache_of(&url)?;
        }
        Ok(url)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, _) = self.url.split_once('?').unwrap_or((&self.url, ""));
        match base.split_once("://") {
            Some((scheme, rest)) => {
                // User and password end at the last `@` of the authority.
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                let host = authority
                    .rsplit_once('@')
                    .map_or(authority, |(_, host)| host);
                let slash = if rest.contains('/') { "/" } else { "" };
                write!(f, "{scheme}://{host}{slash}{path}")?;
            }
            None => f.write_str(base)?,
        }
        match &self.options.front {
            Some(front) => write!(f, " behind {front}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// The options that are ours and not the driver's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) table: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) version: Option<u32>,
    pub(crate) connections: Option<usize>,
    pub(crate) cached: Option<Duration>,
    pub(crate) front: Option<Box<StoreUrl>>,
}

impl Options {
    /// Takes the options that the place knows out of the query; what the driver may know stays.
    fn split_off(text: &str, kind: StoreKind) -> Result<(String, Self)> {
        let mut options = Self::default();
        let Some((base, query)) = text.split_once('?') else {
            return Ok((text.to_owned(), options));
        };
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !kind.options().contains(&name) {
                if kind.driver_has_options() {
                    others.push(pair);
                    continue;
                }
                return Err(refused(&format!(
                    "`{name}` is no option of `{}`; there {}",
                    kind.scheme(),
                    listed(kind.options()),
                )));
            }
            match name {
                "table" => options.table = Some(value.to_owned()),
                "prefix" => options.prefix = Some(value.to_owned()),
                "version" => options.version = Some(number(name, value)?),
                "connections" => options.connections = Some(number(name, value)?),
                "cached" => options.cached = Some(Duration::from_secs(number(name, value)?)),
                "front" => options.front = Some(Box::new(front(value)?)),
                _ => unreachable!("the places know no other options"),
            }
        }
        let url = match others.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", others.join("&")),
        };
        Ok((url, options))
    }
}

fn number<N: FromStr>(name: &str, value: &str) -> Result<N> {
    value
        .parse()
        .map_err(|_| refused(&format!("`{name}` must be a whole number")))
}

/// The place that a value of `front` names: a URL as it is, but for `&`, or one that is percent-encoded as a whole. In
/// the second there is no colon.
fn front(value: &str) -> Result<StoreUrl> {
    let url = match value.contains(':') {
        true => value.replace("%26", "&"),
        false => decoded(value)
            .filter(|url| url.contains(':'))
            .ok_or_else(|| refused("`front` must be the URL of a place, as in front=redis://…"))?,
    };
    url.parse().map_err(|error: Error| {
        let why = error.to_string();
        refused(&format!("`front`: {}", why.trim_start_matches(CHOOSING)))
    })
}

fn decoded(text: &str) -> Option<String> {
    let (first, rest) = text.split_once('%').unwrap_or((text, ""));
    let mut bytes = first.as_bytes().to_vec();
    for part in rest.split('%').filter(|_| !rest.is_empty()) {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

fn listed(options: &[&str]) -> String {
    match options {
        [] => "are none".to_owned(),
        _ => format!("are `{}`", options.join("`, `")),
    }
}
