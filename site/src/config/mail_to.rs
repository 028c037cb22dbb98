use std::{fmt, path::PathBuf, str::FromStr};

use lettre::SmtpTransport;

/// Where mails go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailTo {
    /// To whoever reads the output of the program.
    Stdout,
    /// To a folder, one text file for each.
    Folder(PathBuf),
    /// To a mail server.
    Smtp(SmtpUrl),
}

/// `smtp://` or `smtps://`, perhaps a name and a password, and a host. `Debug` is redacted; `Display` says the server alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl(String);

impl SmtpUrl {
    /// The URL itself, with the password that may be in it.
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
        const NEITHER: &str =
            "mails go to `stdout`, `file:FOLDER`, `smtp://HOST` or `smtps://USER:PASSWORD@HOST`";
        match text.split_once(':') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", folder)) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
            Some(("smtp" | "smtps", _)) if SmtpTransport::from_url(text).is_ok() => {
                Ok(Self::Smtp(SmtpUrl(text.to_owned())))
            }
            _ => Err(NEITHER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_go_to_the_output_a_folder_or_a_server() {
        assert_eq!("stdout".parse(), Ok(MailTo::Stdout));
        assert_eq!("file:mails".parse(), Ok(MailTo::Folder("mails".into())));
        let server: MailTo = "smtps://ada:tell-nobody@mail.example".parse().unwrap();
        assert!(!format!("{server:?}").contains("tell"));
        let MailTo::Smtp(server) = server else {
            panic!("{server:?} is a server");
        };
        assert_eq!(server.to_string(), "smtps://mail.example");
        for text in ["", "file:", "folder", "http://mail.example", "smtp:"] {
            assert!(text.parse::<MailTo>().is_err(), "{text}");
        }
    }
}
