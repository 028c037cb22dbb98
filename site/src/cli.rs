//! The subcommands of the program.

use std::{
    fmt::Write,
    io::{self, BufRead, IsTerminal, Write as _},
};

use crate::{
    Config, StartError,
    accounts::{UserAttributes, is_address, weaknesses},
    config::{Command, NewUser},
    database::{self, DemoUser, InitialData},
    date, secret, sessions,
    users::username,
};
use cloakroom_django::auth::Passwords;

const INSERT_USER: &str = "\
    INSERT INTO auth_user (password, last_login, is_superuser, username, last_name, email, \
    is_staff, is_active, date_joined, first_name) \
    VALUES (?, NULL, ?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT (username) DO NOTHING";

const CHECK_FILE: &str = "PRAGMA quick_check";

/// The environment variable with the password of a new user, for scripts.
const PASSWORD_VARIABLE: &str = "LOCALLIBRARY_NEW_PASSWORD";

/// Runs `command` and returns the text to print.
///
/// # Errors
/// [`StartError`] if the command fails, with what went wrong and what to do about it.
pub async fn run(config: &Config, command: &Command) -> Result<String, StartError> {
    match command {
        Command::Migrate => {
            let (db, _) = open(config, InitialData::Nothing).await?;
            db.close().await;
            Ok("The database has all its tables.".to_owned())
        }
        Command::LoadDemo => {
            let (db, _) = open(config, InitialData::Nothing).await?;
            let users = database::load_demo(&db).await?;
            db.close().await;
            Ok(format!(
                "The demo catalogue is loaded.{}",
                list_generated_passwords(&users)
            ))
        }
        Command::CreateUser(user) => create_user(config, user).await,
        Command::Check => check(config).await,
    }
}

async fn open(
    config: &Config,
    initial: InitialData,
) -> Result<(sqlx::SqlitePool, Vec<DemoUser>), StartError> {
    database::open(config.database_url.path(), initial).await
}

/// Lists the generated passwords of new users, one user a line. Returns an empty text if no
/// password was generated. Only hashes are stored, so this list is the only place to read the
/// passwords.
pub(crate) fn list_generated_passwords(users: &[DemoUser]) -> String {
    let generated = users
        .iter()
        .filter_map(|user| Some((&user.username, user.generated_password.as_ref()?)));
    let mut text = String::new();
    for (username, password) in generated {
        if text.is_empty() {
            text.push_str("\nNew users; their passwords are shown only once:");
        }
        // Writing to a `String` does not fail.
        let _ = write!(text, "\n  {username:<12}{password}");
    }
    text
}

async fn create_user(config: &Config, user: &NewUser) -> Result<String, StartError> {
    const DOING: &str = "creating a user";
    const ADVICE: &str = "see `locallibrary create-user --help`";
    let fail = |problem: String, advice| StartError::new(DOING, problem, advice);
    let is_valid = (1..=username::MAX_CHARS).contains(&user.username.chars().count())
        && username::has_allowed_chars(&user.username);
    if !is_valid {
        let problem = "a username has at most 150 characters: letters, digits and @ . + - _";
        return Err(fail(problem.to_owned(), ADVICE));
    }
    if !user.email.is_empty() && !is_address(&user.email) {
        return Err(fail("the email address is not valid".to_owned(), ADVICE));
    }
    let password = ask_password().map_err(|error| fail(error.to_string(), ADVICE))?;
    let known = UserAttributes {
        username: &user.username,
        email: &user.email,
        ..UserAttributes::default()
    };
    let weaknesses = weaknesses(&password, &known);
    if !weaknesses.is_empty() {
        return Err(fail(weaknesses.join(" "), "choose another password"));
    }
    let passwords = Passwords::new().iterations(config.password_iterations);
    let encoded = passwords
        .encode(&password)
        .map_err(|error| fail(error.to_string(), ADVICE))?;
    let (db, _) = open(config, InitialData::Nothing).await?;
    let inserted = sqlx::query(INSERT_USER)
        .bind(encoded)
        .bind(user.superuser)
        .bind(&user.username)
        .bind("")
        .bind(&user.email)
        .bind(user.staff || user.superuser)
        .bind(date::timestamp())
        .bind("")
        .execute(&db)
        .await
        .map_err(|error| fail(error.to_string(), "check that the file is writable"))?;
    db.close().await;
    match inserted.rows_affected() {
        0 => Err(fail(
            format!("a user called {:?} already exists", user.username),
            "choose another name",
        )),
        _ => Ok(format!("The user {} can log in now.", user.username)),
    }
}

/// Returns the password in the environment. If there is none, reads a line of standard input.
fn ask_password() -> io::Result<String> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    if io::stdin().is_terminal() {
        print!("Password (visible as you type): ");
        io::stdout().flush()?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Checks what the site needs to start: the database, the secret key and the session storage.
async fn check(config: &Config) -> Result<String, StartError> {
    if !config.database_url.path().is_file() {
        return Err(StartError::new(
            "checking the database",
            "there is no such file",
            "create it with `locallibrary migrate`, or start the site",
        ));
    }
    let secret_key = secret::load_or_create(config)?;
    let (db, _) = open(config, InitialData::Nothing).await?;
    let found: Result<String, _> = sqlx::query_scalar(CHECK_FILE).fetch_one(&db).await;
    let found = found.unwrap_or_else(|error| error.to_string());
    db.close().await;
    if found != "ok" {
        return Err(StartError::new(
            "checking the database",
            found,
            "the file is damaged: restore a backup",
        ));
    }
    let base_url = config.base_url();
    let sessions = sessions::open(config, &base_url, &secret_key).await?;
    sessions.ping().await.map_err(|error| {
        StartError::new(
            "checking the sessions",
            format_args!("{error:#}"),
            "check --sessions",
        )
    })?;
    Ok("The database, the sessions and the secret key are in order.".to_owned())
}
