//! The settings and the subcommands. Each setting except [`Limits`] is a flag with an environment
//! variable.

mod allowed_hosts;
mod base_url;
mod command;
mod database_url;
mod limits;
mod log_format;
mod mail_to;
mod redacting_parser;
mod secret_key;
mod session_storage;
mod settings;

pub(crate) use allowed_hosts::AllowedHosts;
pub use base_url::BaseUrl;
pub(crate) use base_url::host_of;
pub use command::{Command, NewUser};
pub use database_url::DatabaseUrl;
pub use limits::Limits;
pub use log_format::LogFormat;
pub use mail_to::{MailTo, SmtpUrl};
pub use secret_key::SecretKey;
pub use session_storage::SessionStorage;
pub use settings::Config;
