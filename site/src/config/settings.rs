use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use lettre::message::Mailbox;

use super::{
    base_url::BaseUrl, command::Command, database_url::DatabaseUrl, limits::Limits,
    log_format::LogFormat, mail_to::MailTo, redacting_parser::RedactingParser,
    secret_key::SecretKey, session_storage::SessionStorage,
};

const AFTER_HELP: &str = "\
Without flags the site opens locallibrary.sqlite3 in the current folder. If the file does not \
exist, it is created with a demo catalogue. Flags take precedence over environment variables. \
RUST_LOG filters the log (default: info).";

// This doc comment is part of the text of `--help`.
/// LocalLibrary: the web site of a library, with its catalogue in an SQLite file.
///
/// The tables are those of the LocalLibrary of MDN's Django tutorial. This program can open a
/// database file that the Django site created, and the Django site can open a file that this
/// program created.
#[derive(Debug, Clone, Parser)]
#[command(name = "locallibrary", version, after_help = AFTER_HELP)]
pub struct Config {
    /// The command to run instead of serving pages
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address and port to listen on; with port 0 the system chooses a free port
    #[arg(
        long,
        env = "LOCALLIBRARY_BIND",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8000"
    )]
    pub bind: SocketAddr,

    /// The SQLite file with the catalogue, as sqlite://PATH; created on the first start
    #[arg(
        long,
        env = "DATABASE_URL",
        value_parser = RedactingParser::<DatabaseUrl>::new(),
        value_name = "URL",
        default_value = "sqlite://locallibrary.sqlite3"
    )]
    pub database_url: DatabaseUrl,

    /// Where sessions are stored: db for the site's database file; or sqlite://PATH, postgres://…,
    /// mysql://…, redis://…, redis+cluster://…, memcached://…, file:PATH, memory:, cookie:
    ///
    /// With django+db, or django+ before a URL, this site shares its sessions with a Django site
    /// that has the same secret key: a login to one site is a login to both.
    #[arg(
        long,
        env = "LOCALLIBRARY_SESSIONS",
        value_parser = RedactingParser::<SessionStorage>::new(),
        value_name = "WHERE",
        default_value = "db",
        hide_env_values = true
    )]
    pub sessions: SessionStorage,

    /// The key that signs cookies and links; other users of the machine can see flags, so prefer
    /// --secret-key-file or the environment variable
    ///
    /// If no key is set, a random key is generated once and stored beside the database file.
    #[arg(
        long,
        env = "SECRET_KEY",
        value_name = "KEY",
        hide_env_values = true,
        conflicts_with = "secret_key_file"
    )]
    pub secret_key: Option<SecretKey>,

    /// A former key whose signatures are still accepted; separate several by spaces
    #[arg(
        long,
        env = "SECRET_KEY_FALLBACKS",
        value_name = "KEY",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub secret_key_fallback: Vec<SecretKey>,

    /// A file that contains the secret key and nothing else
    #[arg(long, env = "SECRET_KEY_FILE", value_name = "PATH")]
    pub secret_key_file: Option<PathBuf>,

    /// Where mails go: stdout; file:FOLDER for one text file per mail; or a mail server,
    /// smtps://USER:PASSWORD@HOST or smtp://HOST?tls=required
    #[arg(
        long,
        env = "LOCALLIBRARY_MAIL",
        value_parser = RedactingParser::<MailTo>::new(),
        value_name = "WHERE",
        default_value = "stdout",
        hide_env_values = true
    )]
    pub mail: MailTo,

    /// The sender of mails
    #[arg(
        long,
        env = "LOCALLIBRARY_MAIL_FROM",
        value_name = "ADDRESS",
        default_value = "webmaster@localhost"
    )]
    pub mail_from: Mailbox,

    /// The iterations of new password hashes; if a Django site opens the same file, use the number
    /// of that site (1000000 in Django 5.2)
    #[arg(
        long,
        env = "LOCALLIBRARY_PASSWORD_ITERATIONS",
        value_name = "N",
        default_value_t = 1_000_000
    )]
    pub password_iterations: u32,

    /// The address that visitors type: http or https, host, and port unless it is the default one;
    /// by default http:// and the address of --bind
    #[arg(long, env = "LOCALLIBRARY_BASE_URL", value_name = "URL")]
    pub base_url: Option<BaseUrl>,

    /// Further host names under which the site answers, separated by commas; the host of the base
    /// URL, localhost and loopback addresses are always allowed
    #[arg(
        long,
        env = "LOCALLIBRARY_ALLOWED_HOSTS",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,

    /// The format of the log on stderr: human for text, json for one object per line
    ///
    /// Every request has a line with an id. The response has the same id in its header
    /// x-request-id.
    #[arg(
        long,
        env = "LOCALLIBRARY_LOG_FORMAT",
        value_enum,
        value_name = "FORMAT",
        default_value = "human"
    )]
    pub log_format: LogFormat,

    /// The time limits
    #[arg(skip)]
    pub limits: Limits,
}

impl Config {
    /// Returns the address that visitors type: the setting, or by default the address of `--bind`.
    /// If the port of `--bind` is 0, the default has port 0, not the port that the system chooses.
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
