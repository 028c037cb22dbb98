use clap::{Args, Subcommand};

/// A subcommand, which the program runs instead of serving pages.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Create the database with its tables and no records, or add missing tables
    Migrate,
    /// Load the demo catalogue into a database without records; the password of a user such as
    /// admin comes from LOCALLIBRARY_DEMO_PASSWORD_ADMIN, or is generated and shown once
    LoadDemo,
    /// Add a user; the password comes from LOCALLIBRARY_NEW_PASSWORD or standard input
    CreateUser(NewUser),
    /// Check the database, the session storage and the secret key
    Check,
}

/// The arguments of `create-user`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct NewUser {
    /// The name to log in with
    pub username: String,

    /// The email address of the user
    #[arg(long, default_value = "")]
    pub email: String,

    /// The user may open the staff area
    #[arg(long)]
    pub staff: bool,

    /// The user may do everything
    #[arg(long)]
    pub superuser: bool,
}
