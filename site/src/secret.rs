//! The secret key, and the file in which it is kept when nobody sets one.

use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{
    StartError,
    config::{Config, SecretKey},
};

/// Letters and digits of a key made here: 64 of 62 kinds are 381 bits.
const GENERATED_KEY_CHARS: usize = 64;

/// Shorter keys are used, with a warning. Django's checks ask for as many.
const RECOMMENDED_KEY_CHARS: usize = 50;

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Keys that stand in tutorials, in documentation and in examples of all kinds: everybody can sign with them.
const PUBLISHED: [&str; 14] = [
    // The tutorial's public repository, and the pages of its text.
    "django-insecure-&psk#na5l=p3q8_a+-$4w1f^lt3lx1c@d*p4x$ymm_rn7pwb87",
    "cg#p$g+j9tax!#a3cup@1$8obt2_+&k3q+pmu)5%asj6yjpkag",
    "changeme",
    "change-me",
    "change_me",
    "change-this",
    "dev",
    "development",
    "insecure",
    "secret",
    "secret-key",
    "secret_key",
    "test",
    "your-secret-key",
];

/// What Django writes in front of the keys of new projects, to be replaced in production.
const INSECURE_PREFIX: &str = "django-insecure-";

/// The key that the settings ask for: given, in a file, or made once beside the database.
pub(crate) fn load_or_create(config: &Config) -> Result<SecretKey, StartError> {
    if let Some(key) = from_settings(config)? {
        return Ok(key);
    }
    let file = default_key_file(config.database_url.path());
    let key = read_or_create(&file).map_err(|error| {
        StartError::new(
            format!("keeping the secret key in {file:?}"),
            error,
            "make the folder writable, or set SECRET_KEY",
        )
    })?;
    check(key, config)
}

/// The key that the settings give, if they do. Nothing is made.
pub(crate) fn from_settings(config: &Config) -> Result<Option<SecretKey>, StartError> {
    let key = match (&config.secret_key, &config.secret_key_file) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => read(file).map_err(|error| {
            StartError::new(
                format!("reading the secret key from {file:?}"),
                error,
                "name a text file that holds the key with --secret-key-file",
            )
        })?,
        (None, None) => return Ok(None),
    };
    check(key, config).map(Some)
}

/// What also takes the signatures of the keys from before.
pub(crate) fn with_fallbacks<'a, T>(
    config: &'a Config,
    current: T,
    fallback: impl Fn(T, &'a str) -> T,
) -> T {
    let before = config.secret_key_fallback.iter().map(SecretKey::expose);
    // An empty one would take what anybody signs.
    before.filter(|key| !key.is_empty()).fold(current, fallback)
}

/// Refuses a key that keeps nothing secret; one that is published only where nobody else can reach the site.
fn check(key: SecretKey, config: &Config) -> Result<SecretKey, StartError> {
    if key.expose().is_empty() {
        return Err(StartError::new(
            "reading the secret key",
            "it is empty",
            "give a long random text, or leave the setting out and one is made",
        ));
    }
    if is_published(key.expose()) {
        let is_local_only = config.bind.ip().is_loopback()
            && config
                .base_url
                .as_ref()
                .is_none_or(|url| is_loopback(url.host()));
        if !is_local_only {
            return Err(StartError::new(
                "reading the secret key",
                "it is a published one, so anybody can make cookies and links with it",
                "give a long random text, or leave the setting out and one is made",
            ));
        }
        tracing::warn!(
            "the secret key is a published one: good for trying things out, and nothing else"
        );
        return Ok(key);
    }
    if key.expose().chars().count() < RECOMMENDED_KEY_CHARS {
        tracing::warn!(
            "the secret key is shorter than {RECOMMENDED_KEY_CHARS} characters: easier to guess than it should be"
        );
    }
    Ok(key)
}

fn is_published(key: &str) -> bool {
    key.starts_with(INSECURE_PREFIX)
        || PUBLISHED
            .iter()
            .any(|known| known.eq_ignore_ascii_case(key))
}

/// Whether a host name is one by which only this machine reaches itself.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// `size` random letters and digits from the operating system.
pub(crate) fn random_alphanumeric(size: usize) -> io::Result<String> {
    // Bytes from 248 on are thrown away, or the first 8 characters would come up more often than the others.
    const LIMIT: u8 = 248;
    let mut text = String::with_capacity(size);
    while text.len() < size {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)?;
        let unbiased = bytes.iter().filter(|&&byte| byte < LIMIT);
        let chars = unbiased.map(|&byte| char::from(ALPHANUMERIC[usize::from(byte % 62)]));
        text.extend(chars.take(size - text.len()));
    }
    Ok(text)
}

fn default_key_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".secret");
    name.into()
}

fn read(file: &Path) -> io::Result<SecretKey> {
    Ok(SecretKey::from(fs::read_to_string(file)?.trim()))
}

fn read_or_create(file: &Path) -> io::Result<SecretKey> {
    match read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    // Written under another name and then linked: the file appears whole or not at all, and of two programs that
    // start at once the second finds the first one's key.
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = fs::remove_file(&draft);
    let created = create_private(&draft)
        .and_then(|mut open| {
            open.write_all(random_alphanumeric(GENERATED_KEY_CHARS)?.as_bytes())?;
            open.write_all(b"\n")?;
            open.sync_all()
        })
        .and_then(|()| match fs::hard_link(&draft, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let _ = fs::remove_file(&draft);
    created?;
    read(file)
}

fn create_private(file: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_private_and_the_same_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = default_key_file(&folder.path().join("x.sqlite3"));
        let first = read_or_create(&file).unwrap();
        assert_eq!(first, read_or_create(&file).unwrap());
        assert_eq!(first.expose().len(), GENERATED_KEY_CHARS);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn a_key_is_not_shown_by_debug() {
        let key: SecretKey = "tell-nobody".parse().unwrap();
        assert!(!format!("{key:?}").contains("tell"));
    }
}
