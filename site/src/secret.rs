//! The secret key, and the file in which it is kept when nobody sets one.

use std::{
    convert::Infallible,
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{StartError, config::Config};

/// Letters and digits of a key made here: 64 of 62 kinds are 381 bits.
const MADE_KEY_CHARS: usize = 64;

/// Shorter keys are used, with a warning. Django's checks ask for as many.
const GOOD_KEY_CHARS: usize = 50;

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The key that signs cookies and links. It is never printed: `Debug` is redacted and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// The key itself, for whoever signs with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl FromStr for SecretKey {
    type Err = Infallible;

    // An empty key is refused by `of`: an error here would be printed with the value beside it.
    fn from_str(key: &str) -> Result<Self, Infallible> {
        Ok(Self(key.to_owned()))
    }
}

/// The key that the settings ask for: given, in a file, or made once beside the database.
pub(crate) fn of(config: &Config) -> Result<SecretKey, StartError> {
    let key = match (&config.secret_key, &config.secret_key_file) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => read(file).map_err(|error| {
            StartError::new(
                format!("reading the secret key from {file:?}"),
                error,
                "name a text file that holds the key with --secret-key-file",
            )
        })?,
        (None, None) => {
            let file = beside(config.database_url.path());
            read_or_make(&file).map_err(|error| {
                StartError::new(
                    format!("keeping the secret key in {file:?}"),
                    error,
                    "make the folder writable, or set SECRET_KEY",
                )
            })?
        }
    };
    if key.0.is_empty() {
        return Err(StartError::new(
            "reading the secret key",
            "it is empty",
            "give a long random text, or leave the setting out and one is made",
        ));
    }
    if key.0.chars().count() < GOOD_KEY_CHARS {
        tracing::warn!(
            "the secret key is shorter than {GOOD_KEY_CHARS} characters: easier to guess than it should be"
        );
    }
    Ok(key)
}

/// `size` random letters and digits from the operating system.
pub(crate) fn random_alphanumeric(size: usize) -> io::Result<String> {
    // Bytes from 248 on are thrown away, or the first 8 characters would come up more often than the others.
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(size);
    while text.len() < size {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)?;
        let fair = bytes.iter().filter(|&&byte| byte < FAIR);
        let chars = fair.map(|&byte| char::from(ALPHANUMERIC[usize::from(byte % 62)]));
        text.extend(chars.take(size - text.len()));
    }
    Ok(text)
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".secret");
    name.into()
}

fn read(file: &Path) -> io::Result<SecretKey> {
    Ok(SecretKey(fs::read_to_string(file)?.trim().to_owned()))
}

fn read_or_make(file: &Path) -> io::Result<SecretKey> {
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
    let made = create_private(&draft)
        .and_then(|mut open| {
            open.write_all(random_alphanumeric(MADE_KEY_CHARS)?.as_bytes())?;
            open.write_all(b"\n")?;
            open.sync_all()
        })
        .and_then(|()| match fs::hard_link(&draft, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let _ = fs::remove_file(&draft);
    made?;
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
        let file = beside(&folder.path().join("x.sqlite3"));
        let first = read_or_make(&file).unwrap();
        assert_eq!(first, read_or_make(&file).unwrap());
        assert_eq!(first.expose().len(), MADE_KEY_CHARS);
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
