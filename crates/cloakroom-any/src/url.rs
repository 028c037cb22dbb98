use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cloakroom::{Error, Result};

use crate::error::{CHOOSING, refused};
use crate::kind::StoreKind;
use crate::scheme::PREFIX;

/// A URL that names a store. The [crate](crate) documentation lists the URLs of all stores.
///
/// Parsing contacts no server. It returns an error for an unknown scheme, a missing path or an
/// unknown parameter. Values such as the name of a table are checked when the store is opened.
/// `Display` and `Debug` leave out the user, the password and the parameters. Errors contain no
/// password.
///
/// # Examples
/// ```
/// use cloakroom_any::StoreUrl;
///
/// # fn main() -> cloakroom::Result<()> {
/// # #[cfg(feature = "postgres")] {
/// let url: StoreUrl = "postgres://ada:s3cret@db.example/shop?table=web_session".parse()?;
/// assert_eq!(url.to_string(), "postgres://db.example/shop");
/// # }
///
/// let error = "mongodb://localhost".parse::<StoreUrl>().unwrap_err();
/// let message = "`mongodb:` is not a supported scheme; use one of sqlite://PATH, ";
/// assert!(error.to_string().contains(message));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoreUrl {
    pub(crate) kind: StoreKind,
    /// The URL without the parameters in `options`.
    pub(crate) url: String,
    pub(crate) options: Options,
}

impl StoreUrl {
    /// Returns whether the URL names a store of a Django site, `django+…`. `StoreUrl::engine` opens
    /// such a store, and [`open`](Self::open) opens all others.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_any::StoreUrl;
    ///
    /// # fn main() -> cloakroom::Result<()> {
    /// let url: StoreUrl = "cookie:".parse()?;
    /// assert!(!url.is_django());
    ///
    /// # #[cfg(feature = "django")] {
    /// let url: StoreUrl = "django+cookie:".parse()?;
    /// assert!(url.is_django());
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_django(&self) -> bool {
        self.kind.django().is_some()
    }

    /// Returns an error if this store cannot be the cache of `origin`.
    fn check_cache_of(&self, origin: &Self) -> Result<()> {
        match (self.kind.django(), origin.kind.django()) {
            (None, None) => {}
            (Some(cache), Some(_)) if cache.is_cache() && origin.options.cache_ttl.is_none() => {}
            (Some(cache), Some(_)) if cache.is_cache() => {
                return Err(refused(
                    "the copies in the cache of a Django site are read until the session ends; \
                     leave out `cache_secs`",
                ));
            }
            (_, Some(_)) => {
                return Err(refused(
                    "`cache` must be a cache of the Django site, as in cache=django+redis://…",
                ));
            }
            (Some(_), None) => {
                return Err(refused(
                    "`cache` is a store of a Django site and the origin is not; \
                     use two stores of a Django site, or none",
                ));
            }
        }
        if self.kind == StoreKind::Cookie {
            return Err(refused(
                "`cache` must be a store on the server; `cookie:` keeps sessions in the browser",
            ));
        }
        if self.options.cache_ttl.is_some() || self.options.cache.is_some() {
            return Err(refused(
                "the URL in `cache` has a `cache` or `cache_secs`; \
                 only the origin's URL can have these parameters",
            ));
        }
        let is_same = self.url == origin.url
            && self.options.table == origin.options.table
            && self.options.prefix == origin.options.prefix;
        if is_same {
            return Err(refused(
                "`cache` is the same store as its origin; \
                 name another one, or give the cache another `table` or `prefix`",
            ));
        }
        Ok(())
    }

    /// Returns the URL for the driver, without the prefix `django+`.
    #[allow(dead_code, reason = "without any feature there is no driver")]
    pub(crate) fn driver_url(&self) -> &str {
        self.url.strip_prefix(PREFIX).unwrap_or(&self.url)
    }

    /// Returns the part after the scheme.
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
        if let Some(cache) = &url.options.cache {
            cache.check_cache_of(&url)?;
        }
        Ok(url)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, _) = self.url.split_once('?').unwrap_or((&self.url, ""));
        match base.split_once("://") {
            Some((scheme, rest)) => {
                // The user and the password end at the last `@` of the authority.
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                let host = authority
                    .rsplit_once('@')
                    .map_or(authority, |(_, host)| host);
                let slash = if rest.contains('/') { "/" } else { "" };
                write!(f, "{scheme}://{host}{slash}{path}")?;
            }
            None => f.write_str(base)?,
        }
        match &self.options.cache {
            Some(cache) => write!(f, " behind {cache}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// The parameters that this crate reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) table: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) version: Option<u32>,
    pub(crate) connections: Option<usize>,
    pub(crate) cache_ttl: Option<Duration>,
    pub(crate) cache: Option<Box<StoreUrl>>,
}

impl Options {
    /// Splits `text` into the URL for the driver, which keeps the driver's parameters, and the
    /// parameters of this crate.
    fn split_off(text: &str, kind: StoreKind) -> Result<(String, Self)> {
        let mut options = Self::default();
        let Some((base, query)) = text.split_once('?') else {
            return Ok((text.to_owned(), options));
        };
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == name) {
                return Err(refused(&format!("`{name}` is called `{new}` now")));
            }
            if !kind.options().contains(&name) {
                if kind.driver_has_options() {
                    others.push(pair);
                    continue;
                }
                let tls = match kind.is_memcached() && name.starts_with("ssl") {
                    true => "; there is no TLS for memcached, so keep it in a private network",
                    false => "",
                };
                return Err(refused(&format!(
                    "`{}` has no parameter `{name}`; {}{tls}",
                    kind.scheme(),
                    list_options(kind.options()),
                )));
            }
            match name {
                "table" => options.table = Some(value.to_owned()),
                "prefix" => options.prefix = Some(value.to_owned()),
                "version" => options.version = Some(number(name, value)?),
                "connections" => options.connections = Some(number(name, value)?),
                "cache_secs" => {
                    options.cache_ttl = Some(Duration::from_secs(number(name, value)?));
                }
                "cache" => options.cache = Some(Box::new(parse_cache(value)?)),
                _ => unreachable!("`StoreKind::options` lists no other parameter"),
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

/// Parses the value of `cache`, which is a URL with `&` written as `%26`, or a completely
/// percent-encoded URL. A completely encoded URL contains no colon.
fn parse_cache(value: &str) -> Result<StoreUrl> {
    let url = match value.contains(':') {
        true => value.replace("%26", "&"),
        false => percent_decode(value)
            .filter(|url| url.contains(':'))
            .ok_or_else(|| refused("`cache` must be the URL of a store, as in cache=redis://…"))?,
    };
    url.parse().map_err(|error: Error| {
        let why = error.to_string();
        refused(&format!("`cache`: {}", why.trim_start_matches(CHOOSING)))
    })
}

fn percent_decode(text: &str) -> Option<String> {
    let (first, rest) = text.split_once('%').unwrap_or((text, ""));
    let mut bytes = first.as_bytes().to_vec();
    for part in rest.split('%').filter(|_| !rest.is_empty()) {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

fn list_options(options: &[&str]) -> String {
    match options {
        [] => "it has no parameters at all".to_owned(),
        _ => format!("its parameters are `{}`", options.join("`, `")),
    }
}

/// The old and the new name of each renamed parameter. The driver must not get the old names.
const RENAMED: [(&str, &str); 2] = [("cached", "cache_secs"), ("front", "cache")];
