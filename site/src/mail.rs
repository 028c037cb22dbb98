//! Mails: written to the console, to a folder, or handed to a mail server.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{config::MailTo, date, secret::random_alphanumeric};

/// One mail of plain text.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    to: String,
    subject: String,
    body: String,
}

impl Mail {
    pub(crate) fn new(to: &str, subject: &str, body: String) -> Self {
        // A line break would begin another header.
        let line = |text: &str| text.replace(char::is_control, " ");
        Self {
            to: line(to),
            subject: line(subject),
            body,
        }
    }

    fn text(&self) -> String {
        let Self { to, subject, body } = self;
        format!("To: {to}\nSubject: {subject}\n\n{body}\n")
    }
}

/// Sends mails.
#[derive(Clone, Debug)]
pub(crate) struct Mailer {
    to: MailTo,
}

impl Mailer {
    pub(crate) fn new(to: MailTo) -> Self {
        Self { to }
    }

    /// Sends `mail`. Nobody waits for it, so what goes wrong is told to the log, without the text of the mail.
    pub(crate) async fn send(&self, mail: Mail) {
        let to = self.to.clone();
        let sent = tokio::task::spawn_blocking(move || match to {
            MailTo::Stdout => writeln!(io::stdout(), "{}", mail.text()),
            MailTo::Folder(folder) => write(&folder, &mail.text()),
        });
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("sending a mail: {error}"),
            Err(error) => tracing::error!("sending a mail: {error}"),
        }
    }
}

/// Puts a file with this text into the folder. It appears whole, or not at all.
fn write(folder: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let name = format!("{}-{}", date::timestamp(), random_alphanumeric(8)?);
    let name = name.replace([' ', ':'], "-");
    let draft: PathBuf = folder.join(format!(".{name}.draft"));
    fs::write(&draft, text)?;
    fs::rename(&draft, folder.join(format!("{name}.txt")))
}
