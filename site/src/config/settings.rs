use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use lettre::message::Mailbox;

use super::{
    base_url::BaseUrl, command::Command, database_url::DatabaseUrl, limits::Limits,
    log_format::LogFormat, mail_to::MailTo, redacting_parser::RedactingParser,
    secret_key::SecretKey, session_storage::SessionStorage,
};

const AFTER_HELP: &str = "\
Without any flag the site opens locallibrary.sqlite3 in the current folder, and makes it, with a demo catalogue, if it \
is not there. Flags win over environment variables. RUST_LOG sets what is logged (default: info).";

/// LocalLibrary: the web site of a library, with its catalogue in an SQLite file.
///
/// The tables are those of Django's LocalLibrary, so an existing file of that site can be opened, and Django can go on
/// with ours.
#[derive(Debug, Clone, Parser)]
#[command(name = "locallibrary", version, after_help = AFTER_HELP)]
pub struct Config {
    /// What to do instead of serving pages
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "LOCALLIBRARY_BIND",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8000"
    )]
    pub bind: SocketAddr,

    /// The SQLite file with the catalogue, as sqlite://PATH; made on the first start
    #[arg(
        long,
        env = "DATABASE_URL",
        value_parser = RedactingParser::<DatabaseUrl>::new(),
        value_name = "URL",
        default_value = "sqlite://locallibrary.sqlite3"
    )]
    pub database_url: DatabaseUrl,

    /// Where sessions are kept: db is the site's own database file; or sqlite://PATH, postgres://…, mysql://…,
    /// redis://…, redis+cluster://…, memcached://…, file:PATH, memory:, cookie:
    ///
    /// With django+ before a URL, or as django+db, they are those of a Django beside this site, which has the same secret
    /// key: whoever is logged in here is logged in there.
    #[arg(
        long,
        env = "LOCALLIBRARY_SESSIONS",
        value_parser = RedactingParser::<SessionStorage>::new(),
        value_name = "WHERE",
        default_value = "db",
        hide_env_values = true
    )]
    pub sessions: SessionStorage,

    /// The key that signs cookies and links; a flag can be seen by other users of the machine, so prefer
    /// --secret-key-file or the environment
    ///
    /// Without any of them a random key is made once and kept beside the database file.
    #[arg(
        long,
        env = "SECRET_KEY",
        value_name = "KEY",
        hide_env_values = true,
        conflicts_with = "secret_key_file"
    )]
    pub secret_key: Option<SecretKey>,

    /// A key from before, whose signatures still count; several are separated by blanks
    #[arg(
        long,
        env = "SECRET_KEY_FALLBACKS",
        value_name = "KEY",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub secret_key_fallback: Vec<SecretKey>,

    /// A file that holds the secret key and nothing else
    #[arg(long, env = "SECRET_KEY_FILE", value_name = "PATH")]
    pub secret_key_file: Option<PathBuf>,

    /// Where mails go: stdout; file:FOLDER for one text file each; or a mail server, smtps://USER:PASSWORD@HOST, or
    /// smtp://HOST?tls=required
    #[arg(
        long,
        env = "LOCALLIBRARY_MAIL",
        value_parser = RedactingParser::<MailTo>::new(),
        value_name = "WHERE",
        default_value = "stdout",
        hide_env_values = true
    )]
    pub mail: MailTo,

    /// The address that mails come from
    #[arg(
        long,
        env = "LOCALLIBRARY_MAIL_FROM",
        value_name = "ADDRESS",
        default_value = "webmaster@localhost"
    )]
    pub mail_from: Mailbox,

    /// How often a new password hash is iterated. The same as in a Django on the same file: 1000000 is Django 5.2's
    #[arg(
        long,
        env = "LOCALLIBRARY_PASSWORD_ITERATIONS",
        value_name = "N",
        default_value_t = 1_000_000
    )]
    pub password_iterations: u32,

    /// The address that visitors type: http or https, host, and port if it is not the usual one; without it,
    /// http:// and the address listened on
    #[arg(long, env = "LOCALLIBRARY_BASE_URL", value_name = "URL")]
    pub base_url: Option<BaseUrl>,

    /// Host names to answer to besides the one of the base URL and this machine's own (localhost and loopback addresses);
    /// separated by commas
    #[arg(
        long,
        env = "LOCALLIBRARY_ALLOWED_HOSTS",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,

    /// What a line of the log, on stderr, looks like: human, or json, one object for each
    ///
    /// Every request is a line, with an id that is also in the header x-request-id of its answer.
    #[arg(
        long,
        env = "LOCALLIBRARY_LOG_FORMAT",
        value_enum,
        value_name = "FORMAT",
        default_value = "human"
    )]
    pub log_format: LogFormat,

    /// How long the site waits for others
    #[arg(skip)]
    pub limits: Limits,
}

impl Config {
    /// The address that visitors type, as far as it is known before anyone listens.
    pub(crate) fn base_url(&self) -> BaseUrl {
        let listening = || BaseUrl::listening_on(self.bind);
        self.base_url.clone().unwrap_or_else(listening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Config::command().debug_assert();
    }
}
