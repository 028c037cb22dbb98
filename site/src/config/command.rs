use clap::{Args, Subcommand};

/// What the program does besides serving pages.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Make the database with its tables and no records, or add the tables that are missing
    Migrate,
    /// Load the demo catalogue into a database without records; passwords come from
    /// LOCALLIBRARY_DEMO_PASSWORD_ and the name in capitals, or are made and shown once
    LoadDemo,
    /// Add a user; the password comes from LOCALLIBRARY_NEW_PASSWORD, or is read from the input
    CreateUser(NewUser),
    /// Look whether the database, the sessions and the secret key are in order
    Check,
}

/// A user to be added.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct NewUser {
    /// The name to log in with
    pub username: String,

    /// Where mails for the user go
    #[arg(long, default_value = "")]
    pub email: String,

    /// The user works here and may see the staff pages
    #[arg(long)]
    pub staff: bool,

    /// The user may do everything
    #[arg(long)]
    pub superuser: bool,
}
