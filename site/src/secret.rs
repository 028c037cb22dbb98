//! The secret key, and the file that contains it if the settings do not.

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

/// The length of a generated key. 64 random letters and digits are 381 bits of randomness.
const GENERATED_KEY_CHARS: usize = 64;

/// The recommended length of a key. A shorter key is accepted, but a warning is logged. Django's
/// deployment checks ask for the same length.
const RECOMMENDED_KEY_CHARS: usize = 50;

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Keys from tutorials, documentation and examples. They are public, so anyone can sign with them.
const PUBLISHED: [&str; 14] = [
    // The first two keys are in the repository and in the text of MDN's Django tutorial.
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

/// The prefix of the keys that Django generates for new projects. These keys are not meant for
/// production.
const INSECURE_PREFIX: &str = "django-insecure-";

/// Returns the key from the settings. If the settings have none, reads it from the file beside the
/// database. If that file does not exist, creates it with a random key.
pub(crate) fn load_or_create(config: &Config) -> Result<SecretKey, StartError> {
    if let Some(key) = from_settings(config)? {
        return Ok(key);
    }
    let file = default_key_file(config.database_url.path());
    let key = read_or_create(&file).map_err(|error| {
        StartError::new(
            format!("storing the secret key in {file:?}"),
            error,
            "make the folder writable, or set SECRET_KEY",
        )
    })?;
    check(key, config)
}

/// Returns the key in the settings, or the key in the file that the settings name. Creates no file.
pub(crate) fn from_settings(config: &Config) -> Result<Option<SecretKey>, StartError> {
    let key = match (&config.secret_key, &config.secret_key_file) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => read(file).map_err(|error| {
            StartError::new(
                format!("reading the secret key from {file:?}"),
                error,
                "use --secret-key-file to name a text file that contains the key",
            )
        })?,
        (None, None) => return Ok(None),
    };
    check(key, config).map(Some)
}

/// Calls `fallback` to add each former key in the settings to `current`, which then accepts the
/// signatures of these keys as well.
pub(crate) fn with_fallbacks<'a, T>(
    config: &'a Config,
    current: T,
    fallback: impl Fn(T, &'a str) -> T,
) -> T {
    let former = config.secret_key_fallback.iter().map(SecretKey::expose);
    // Skip empty keys: anyone can sign with an empty key.
    former.filter(|key| !key.is_empty()).fold(current, fallback)
}

/// Refuses an empty key. Refuses a published key unless only this machine can reach the site.
fn check(key: SecretKey, config: &Config) -> Result<SecretKey, StartError> {
    if key.expose().is_empty() {
        return Err(StartError::new(
            "reading the secret key",
            "it is empty",
            "set a long random text, or leave the setting out to have one generated",
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
                "it is published, so anyone can forge cookies and links with it",
                "set a long random text, or leave the setting out to have one generated",
            ));
        }
        tracing::warn!("the secret key is published: use it for trying things out only");
        return Ok(key);
    }
    if key.expose().chars().count() < RECOMMENDED_KEY_CHARS {
        tracing::warn!(
            "the secret key is shorter than {RECOMMENDED_KEY_CHARS} characters, which makes it \
             easier to guess"
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

/// Returns whether `host` is a name by which a machine reaches itself, such as `localhost`.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Returns `size` random letters and digits. The randomness comes from the operating system.
pub(crate) fn random_alphanumeric(size: usize) -> io::Result<String> {
    // 248 is the largest multiple of 62 in a byte. Bytes from 248 on are discarded. Otherwise the
    // first 8 of the 62 characters would be more likely than the others.
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
    // The file is written under another name and then linked, so readers never see a part of it. If
    // two programs start at once, the second fails to create the link and reads the key of the
    // first.
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
    fn a_generated_key_is_private_and_is_read_again_at_the_next_start() {
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
    fn debug_does_not_show_the_key() {
        let key: SecretKey = "top-secret".parse().unwrap();
        assert!(!format!("{key:?}").contains("top"));
    }
}
