//! Sends mails: to standard output, to a folder, or through a mail server.

use std::{
    error::Error,
    fs,
    io::{self, ErrorKind, Write},
    iter,
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::{Message, SmtpTransport, Transport, message::Mailbox};

use crate::{
    config::{MailTo, SmtpUrl},
    date,
    secret::random_alphanumeric,
};

/// The time limit for each step of a conversation with a mail server.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A mail in plain text.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    to: String,
    subject: String,
    body: String,
}

impl Mail {
    pub(crate) fn new(to: &str, subject: &str, body: String) -> Self {
        // A line break in the address or the subject would start another header.
        let line = |text: &str| text.replace(char::is_control, " ");
        Self {
            to: line(to),
            subject: line(subject),
            body,
        }
    }
}

/// Sends mails to the place that the settings name.
#[derive(Clone, Debug)]
pub(crate) struct Mailer {
    to: MailTo,
    from: Mailbox,
}

impl Mailer {
    pub(crate) fn new(to: MailTo, from: Mailbox) -> Self {
        Self { to, from }
    }

    /// Sends `mail`. Errors are logged, without the text of the mail, and not returned: the caller
    /// runs in the background, and no request waits for the result.
    pub(crate) async fn send(&self, mail: Mail) {
        let Self { to, from } = self.clone();
        let sent = tokio::task::spawn_blocking(move || match to {
            MailTo::Stdout => Ok(writeln!(io::stdout(), "{}", as_text(&from, &mail))?),
            MailTo::Folder(folder) => Ok(write_to_folder(&folder, &as_text(&from, &mail))?),
            MailTo::Smtp(server) => send_by_smtp(&server, from, mail, TIMEOUT)
                .map_err(|problem| format!("through {server}: {problem}; see --mail").into()),
        });
        let sent: Result<Result<(), Problem>, _> = sent.await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("sending a mail: {error}"),
            Err(error) => tracing::error!("sending a mail: {error}"),
        }
    }
}

type Problem = Box<dyn Error + Send + Sync>;

fn as_text(from: &Mailbox, Mail { to, subject, body }: &Mail) -> String {
    format!("To: {to}\nSubject: {subject}\nFrom: {from}\n\n{body}\n")
}

/// Writes `text` to a new file in `folder`. The file gets its final name when it is complete, so
/// readers never see a part of it.
fn write_to_folder(folder: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let name = format!("{}-{}", date::timestamp(), random_alphanumeric(8)?);
    let name = name.replace([' ', ':'], "-");
    let draft: PathBuf = folder.join(format!(".{name}.draft"));
    fs::write(&draft, text)?;
    fs::rename(&draft, folder.join(format!("{name}.txt")))
}

fn send_by_smtp(
    server: &SmtpUrl,
    from: Mailbox,
    mail: Mail,
    timeout: Duration,
) -> Result<(), Problem> {
    let message = Message::builder()
        .from(from)
        .to(mail.to.parse()?)
        .subject(mail.subject)
        .body(mail.body)?;
    let server = SmtpTransport::from_url(server.expose())?.timeout(Some(timeout));
    match server.build().send(&message) {
        Ok(_) => Ok(()),
        Err(error) if is_timeout(&error) => Err(format!("no answer within {timeout:?}").into()),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether `error` was caused by a read that timed out. The kind of such an error depends
/// on the operating system.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let causes = iter::successors(Some(error), |&error| error.source());
    causes
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;

    /// Accepts one mail as a mail server does. Returns the lines between the command DATA and the
    /// final dot: the headers and the text.
    fn receive(listener: &TcpListener) -> io::Result<String> {
        let (mut client, _) = listener.accept()?;
        let lines = BufReader::new(TcpStream::try_clone(&client)?).lines();
        let (mut mail, mut is_data) = (String::new(), false);
        client.write_all(b"220 mail.example\r\n")?;
        for line in lines {
            let line = line?;
            let answer = match line.as_str() {
                "." => "250 taken",
                _ if is_data => {
                    mail.push_str(&line);
                    mail.push('\n');
                    continue;
                }
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            is_data = line == "DATA";
            client.write_all(format!("{answer}\r\n").as_bytes())?;
            if line == "QUIT" {
                break;
            }
        }
        Ok(mail)
    }

    #[test]
    fn a_timeout_and_a_refused_connection_have_different_messages() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let send = || {
            let MailTo::Smtp(server) = format!("smtp://{address}").parse().unwrap() else {
                panic!("the URL names a mail server");
            };
            let from = "library@library.example".parse().unwrap();
            let mail = Mail::new("ada@example.org", "Hello", "A link".to_owned());
            let timeout = Duration::from_millis(100);
            send_by_smtp(&server, from, mail, timeout).unwrap_err()
        };

        assert_eq!(send().to_string(), "no answer within 100ms");
        drop(listener);
        let refused = send().to_string();
        assert!(refused.contains("refused"), "{refused}");
    }

    #[tokio::test]
    async fn a_mail_is_sent_through_a_server_and_its_subject_adds_no_header() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("smtp://{}", listener.local_addr().unwrap());
        let received = thread::spawn(move || receive(&listener));
        let from = "library@library.example".parse().unwrap();
        let mailer = Mailer::new(server.parse().unwrap(), from);
        let mail = Mail::new(
            "ada@example.org",
            "Hello\r\nBcc: x@y.example",
            "A link".to_owned(),
        );
        mailer.send(mail).await;
        // The mailer has closed its connection with QUIT, which ends the loop in `receive`.
        let mail = received.join().unwrap().unwrap();
        for line in [
            "From: library@library.example",
            "To: ada@example.org",
            "A link",
        ] {
            assert!(mail.lines().any(|other| other == line), "{line} in {mail}");
        }
        assert!(!mail.lines().any(|line| line.starts_with("Bcc:")), "{mail}");
    }
}
