//! What the program does besides serving pages.

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
    INSERT INTO auth_user (password, last_login, is_superuser, username, last_name, email, is_staff, is_active, \
    date_joined, first_name) VALUES (?, NULL, ?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT (username) DO NOTHING";

const CHECK_FILE: &str = "PRAGMA quick_check";

/// Where the password of a new user may be set, for scripts.
const PASSWORD_VARIABLE: &str = "LOCALLIBRARY_NEW_PASSWORD";

/// Does what `command` says, and gives the words for whoever asked.
///
/// # Errors
/// [`StartError`] with what went wrong and what to do about it.
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

/// The passwords that were made and that nobody has seen yet, one user a line, for the one time that they are shown.
pub(crate) fn list_generated_passwords(users: &[DemoUser]) -> String {
    let made = users
        .iter()
        .filter_map(|user| Some((&user.username, user.generated_password.as_ref()?)));
    let mut text = String::new();
    for (username, password) in made {
        if text.is_empty() {
            text.push_str("\nNew users, with passwords that are shown only now:");
        }
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {username:<12}{password}");
    }
    text
}

async fn create_user(config: &Config, user: &NewUser) -> Result<String, StartError> {
    const DOING: &str = "creating a user";
    const ADVICE: &str = "see `locallibrary create-user --help`";
    let fail = |problem: String, advice| StartError::new(DOING, problem, advice);
    let is_name = (1..=username::MAX_CHARS).contains(&user.username.chars().count())
        && username::has_allowed_chars(&user.username);
    if !is_name {
        let problem = "a username is at most 150 letters, digits and @ . + - _";
        return Err(fail(problem.to_owned(), ADVICE));
    }
    if !user.email.is_empty() && !is_address(&user.email) {
        return Err(fail("the email address is not one".to_owned(), ADVICE));
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
        .map_err(|error| fail(error.to_string(), "see whether the file can be written"))?;
    db.close().await;
    match inserted.rows_affected() {
        0 => Err(fail(
            format!("there is a user called {:?} already", user.username),
            "choose another name",
        )),
        _ => Ok(format!("The user {} can log in now.", user.username)),
    }
}

/// From the environment, or one line of the input.
fn ask_password() -> io::Result<String> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    if io::stdin().is_terminal() {
        print!("Password (it will be seen as you type it): ");
        io::stdout().flush()?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Looks at everything that a start needs, without serving anything.
async fn check(config: &Config) -> Result<String, StartError> {
    if !config.database_url.path().is_file() {
        return Err(StartError::new(
            "checking the database",
            "there is no such file",
            "a start makes it, and so does `locallibrary migrate`",
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
            "the file is damaged: put back a copy",
        ));
    }
    let base_url = config.base_url();
    let sessions = sessions::open(config, &base_url, &secret_key).await?;
    sessions.ping().await.map_err(|error| {
        StartError::new(
            "checking the sessions",
            format_args!("{error:#}"),
            "see --sessions",
        )
    })?;
    Ok("The database, the sessions and the secret key are in order.".to_owned())
}
