use std::{fmt, path::PathBuf, str::FromStr};

use lettre::SmtpTransport;

/// The destination of mails, written `stdout`, `file:FOLDER`, `smtp://HOST` or
/// `smtps://USER:PASSWORD@HOST`.
///
/// ```
/// use locallibrary::config::MailTo;
///
/// assert_eq!("file:mails".parse(), Ok(MailTo::Folder("mails".into())));
/// assert!("mails".parse::<MailTo>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailTo {
    /// Standard output.
    Stdout,
    /// A folder, with one text file per mail.
    Folder(PathBuf),
    /// A mail server.
    Smtp(SmtpUrl),
}

/// The URL of a mail server, which may contain a user name and a password. `Debug` is redacted.
/// `Display` shows the scheme and the server only.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl(String);

impl SmtpUrl {
    /// Returns the whole URL, including the password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpUrl(…)")
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("smtp", &self.0));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (_, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        write!(f, "{scheme}://{server}")
    }
}

impl FromStr for MailTo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected `stdout`, `file:FOLDER`, `smtp://HOST` or `smtps://USER:PASSWORD@HOST`";
        match text.split_once(':') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", folder)) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
            Some(("smtp" | "smtps", _)) if SmtpTransport::from_url(text).is_ok() => {
                Ok(Self::Smtp(SmtpUrl(text.to_owned())))
            }
            _ => Err(EXPECTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_of_mails_is_stdout_or_a_folder_or_a_server() {
        assert_eq!("stdout".parse(), Ok(MailTo::Stdout));
        assert_eq!("file:mails".parse(), Ok(MailTo::Folder("mails".into())));
        let server: MailTo = "smtps://ada:top-secret@mail.example".parse().unwrap();
        assert!(!format!("{server:?}").contains("top"));
        let MailTo::Smtp(server) = server else {
            panic!("not the URL of a mail server: {server:?}");
        };
        assert_eq!(server.to_string(), "smtps://mail.example");
        for text in ["", "file:", "folder", "http://mail.example", "smtp:"] {
            assert!(text.parse::<MailTo>().is_err(), "{text}");
        }
    }
}
