//! Turns the options into Django's settings and the URL of the shared store.

use cloakroom::{Error, ErrorKind, Result, SameSite};
use cloakroom_any::StoreUrl;
use cloakroom_django::Settings;

use crate::options::{Engine, Options, TextOrFalse};

/// Returns the settings that the options describe.
pub(crate) fn settings(options: &Options) -> Result<Settings> {
    let mut settings = Settings::new(&options.secret_key)?;
    for secret_key in &options.secret_key_fallbacks.0 {
        settings = settings.secret_key_fallback(secret_key);
    }
    let overrides = &options.settings.0;
    if let Some(name) = &overrides.session_cookie_name {
        settings = settings.session_cookie_name(name);
    }
    if let Some(domain) = &overrides.session_cookie_domain {
        settings = settings.session_cookie_domain(domain);
    }
    if let Some(path) = &overrides.session_cookie_path {
        settings = settings.session_cookie_path(path);
    }
    if let Some(secure) = overrides.session_cookie_secure {
        settings = settings.session_cookie_secure(secure);
    }
    if let Some(http_only) = overrides.session_cookie_httponly {
        settings = settings.session_cookie_httponly(http_only);
    }
    if let Some(same_site) = &overrides.session_cookie_samesite {
        settings = settings.session_cookie_samesite(self::same_site(same_site)?);
    }
    Ok(settings
        .session_cookie_age(overrides.cookie_age())
        .session_save_every_request(overrides.session_save_every_request)
        .session_expire_at_browser_close(overrides.session_expire_at_browser_close))
}

/// Returns the engine with its database and cache as one URL.
pub(crate) fn url(options: &Options) -> Result<StoreUrl> {
    let table = || format!("django+{}", options.db_url);
    let cache = || match &options.cache_url {
        Some(url) => Ok(format!(
            "django+{url}?prefix={}&version={}",
            options.cache_key_prefix, options.cache_version
        )),
        None => Err(refused("this engine needs `--cache-url`")),
    };
    let url = match options.engine {
        Engine::Db => table(),
        Engine::Cache => cache()?,
        Engine::CachedDb => format!("{}?cache={}", table(), cache()?.replace('&', "%26")),
        Engine::File => {
            let folder = options.file_path.clone();
            let folder = folder.unwrap_or_else(std::env::temp_dir);
            format!("django+file:{}", folder.display())
        }
        Engine::SignedCookies => "django+cookie:".to_owned(),
    };
    url.parse()
}

fn same_site(setting: &TextOrFalse) -> Result<Option<SameSite>> {
    match setting {
        TextOrFalse::False(_) => Ok(None),
        TextOrFalse::Text(text) => match &*text.to_ascii_lowercase() {
            "strict" => Ok(Some(SameSite::Strict)),
            "lax" => Ok(Some(SameSite::Lax)),
            "none" => Ok(Some(SameSite::None)),
            _ => Err(refused(
                "`SESSION_COOKIE_SAMESITE` must be Strict, Lax, None or false",
            )),
        },
    }
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("starting the service: {why}"))
}
