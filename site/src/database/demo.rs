//! The demo catalogue: the records that a new database has by default.

use std::collections::HashMap;

use cloakroom_django::auth::Passwords;
use indicatif::ProgressBar;
use jiff::ToSpan;
use serde::Deserialize;
use sqlx::SqliteConnection;

use crate::{copies::Status, date, progress, secret::random_alphanumeric};

const CATALOG: &str = include_str!("../../data/catalog.json");

const INSERT_GROUP: &str = "INSERT INTO auth_group (name) VALUES (?) RETURNING id";

const INSERT_GROUP_PERMISSION: &str = "\
    INSERT INTO auth_group_permissions (group_id, permission_id) \
    SELECT ?, p.id FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id \
    WHERE t.app_label = ? AND p.codename = ?";

const INSERT_USER: &str = "\
    INSERT INTO auth_user (password, last_login, is_superuser, username, last_name, email, \
    is_staff, is_active, date_joined, first_name) \
    VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id";

const INSERT_USER_GROUP: &str = "INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, ?)";

const INSERT_LANGUAGE: &str = "INSERT INTO catalog_language (name) VALUES (?) RETURNING id";

const INSERT_GENRE: &str = "INSERT INTO catalog_genre (name) VALUES (?) RETURNING id";

const INSERT_AUTHOR: &str = "\
    INSERT INTO catalog_author (first_name, last_name, date_of_birth, date_of_death) \
    VALUES (?, ?, ?, ?) RETURNING id";

const INSERT_BOOK: &str = "\
    INSERT INTO catalog_book (title, summary, isbn, author_id, language_id) \
    VALUES (?, ?, ?, ?, ?) RETURNING id";

const INSERT_BOOK_GENRE: &str = "INSERT INTO catalog_book_genre (book_id, genre_id) VALUES (?, ?)";

const INSERT_COPY: &str = "\
    INSERT INTO catalog_bookinstance (id, imprint, due_back, status, book_id, borrower_id) \
    VALUES (?, ?, ?, ?, ?, ?)";

/// The prefix of the environment variables that set the passwords of demo users. The username
/// follows in capitals.
const PASSWORD_VARIABLE: &str = "LOCALLIBRARY_DEMO_PASSWORD_";

/// The number of characters in a generated password. 20 letters and digits are 119 bits of
/// randomness.
const GENERATED_PASSWORD_CHARS: usize = 20;

/// The iterations of the hash of a generated password. Few iterations suffice, since a random
/// password of this length can't be guessed. As in Django, the first login replaces the hash with a
/// new one, which has the usual number of iterations.
const GENERATED_PASSWORD_ITERATIONS: u32 = 1000;

/// A user who was just created, and the password if it was generated.
pub(crate) struct DemoUser {
    pub(crate) username: String,
    pub(crate) generated_password: Option<String>,
}

#[derive(Deserialize)]
struct Catalog {
    groups: Vec<Group>,
    users: Vec<User>,
    languages: Vec<String>,
    genres: Vec<String>,
    authors: Vec<Author>,
    books: Vec<Book>,
    copies: Vec<Copy>,
}

impl Catalog {
    fn records(&self) -> usize {
        self.groups.len()
            + self.users.len()
            + self.languages.len()
            + self.genres.len()
            + self.authors.len()
            + self.books.len()
            + self.copies.len()
    }
}

#[derive(Deserialize)]
struct Group {
    name: String,
    permissions: Vec<String>,
}

#[derive(Deserialize)]
struct User {
    username: String,
    first_name: String,
    last_name: String,
    email: String,
    is_staff: bool,
    is_superuser: bool,
    is_active: bool,
    groups: Vec<String>,
}

#[derive(Deserialize)]
struct Author {
    key: String,
    first_name: String,
    last_name: String,
    date_of_birth: Option<String>,
    date_of_death: Option<String>,
}

#[derive(Deserialize)]
struct Book {
    key: String,
    title: String,
    author: Option<String>,
    language: Option<String>,
    genres: Vec<String>,
    isbn: String,
    summary: String,
}

#[derive(Deserialize)]
struct Copy {
    id: String,
    book: String,
    imprint: String,
    status: Status,
    due_in_days: Option<i32>,
    borrower: Option<String>,
}

/// Maps the key or the name of a record in the catalogue to the id of the record in the database.
type Ids = HashMap<String, i64>;

/// Inserts the records into empty tables in the order of the catalogue, so that the ids are 1, 2, 3
/// and so on. Returns the users that were created.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
) -> Result<Vec<DemoUser>, sqlx::Error> {
    let catalog: Catalog = serde_json::from_str(CATALOG).expect("the tests read this catalogue");
    let bar = progress::bar("Loading the demo catalogue", catalog.records());
    let groups = insert_groups(connection, &catalog.groups).await?;
    bar.inc(catalog.groups.len() as u64);
    let (users, created) = insert_users(connection, &catalog.users, &groups, &bar).await?;
    let languages = insert_names(connection, INSERT_LANGUAGE, &catalog.languages).await?;
    bar.inc(catalog.languages.len() as u64);
    let genres = insert_names(connection, INSERT_GENRE, &catalog.genres).await?;
    bar.inc(catalog.genres.len() as u64);
    let authors = insert_authors(connection, &catalog.authors).await?;
    bar.inc(catalog.authors.len() as u64);
    let books = insert_books(connection, &catalog.books, &authors, &languages, &genres).await?;
    bar.inc(catalog.books.len() as u64);
    insert_copies(connection, &catalog.copies, &books, &users).await?;
    bar.finish_and_clear();
    Ok(created)
}

async fn insert_groups(db: &mut SqliteConnection, groups: &[Group]) -> Result<Ids, sqlx::Error> {
    let mut ids = Ids::new();
    for group in groups {
        let id = sqlx::query_scalar(INSERT_GROUP)
            .bind(&group.name)
            .fetch_one(&mut *db)
            .await?;
        for permission in &group.permissions {
            let (app, codename) = permission
                .split_once('.')
                .expect("permissions are written app.codename");
            let insert = sqlx::query(INSERT_GROUP_PERMISSION)
                .bind(id)
                .bind(app)
                .bind(codename);
            insert.execute(&mut *db).await?;
        }
        ids.insert(group.name.clone(), id);
    }
    Ok(ids)
}

async fn insert_users(
    db: &mut SqliteConnection,
    users: &[User],
    groups: &Ids,
    bar: &ProgressBar,
) -> Result<(Ids, Vec<DemoUser>), sqlx::Error> {
    let mut created = Vec::new();
    let joined = date::timestamp();
    let mut ids = Ids::new();
    for user in users {
        let (generated_password, encoded) = password(&user.username)?;
        created.push(DemoUser {
            username: user.username.clone(),
            generated_password,
        });
        let insert = sqlx::query_scalar(INSERT_USER)
            .bind(encoded)
            .bind(user.is_superuser)
            .bind(&user.username)
            .bind(&user.last_name)
            .bind(&user.email)
            .bind(user.is_staff)
            .bind(user.is_active)
            .bind(&joined)
            .bind(&user.first_name);
        let id: i64 = insert.fetch_one(&mut *db).await?;
        for group in &user.groups {
            let insert = sqlx::query(INSERT_USER_GROUP).bind(id).bind(groups[group]);
            insert.execute(&mut *db).await?;
        }
        ids.insert(user.username.clone(), id);
        // The bar advances after each user, because hashing a password from the environment takes
        // noticeable time.
        bar.inc(1);
    }
    Ok((ids, created))
}

/// Reads the password of a demo user from the environment, or generates one. Returns the generated
/// password, if any, and the hash.
fn password(username: &str) -> Result<(Option<String>, String), sqlx::Error> {
    let variable = format!("{PASSWORD_VARIABLE}{}", username.to_uppercase());
    let (generated, passwords, password) = match std::env::var(variable) {
        Ok(set) if !set.is_empty() => (None, Passwords::new(), set),
        _ => {
            let generated =
                random_alphanumeric(GENERATED_PASSWORD_CHARS).map_err(sqlx::Error::Io)?;
            let passwords = Passwords::new().iterations(GENERATED_PASSWORD_ITERATIONS);
            (Some(generated.clone()), passwords, generated)
        }
    };
    let encoded = passwords.encode(&password);
    let encoded = encoded.map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok((generated, encoded))
}

async fn insert_names(
    db: &mut SqliteConnection,
    insert: &'static str,
    names: &[String],
) -> Result<Ids, sqlx::Error> {
    let mut ids = Ids::new();
    for name in names {
        let id = sqlx::query_scalar(insert)
            .bind(name)
            .fetch_one(&mut *db)
            .await?;
        ids.insert(name.clone(), id);
    }
    Ok(ids)
}

async fn insert_authors(db: &mut SqliteConnection, authors: &[Author]) -> Result<Ids, sqlx::Error> {
    let mut ids = Ids::new();
    for author in authors {
        let insert = sqlx::query_scalar(INSERT_AUTHOR)
            .bind(&author.first_name)
            .bind(&author.last_name)
            .bind(&author.date_of_birth)
            .bind(&author.date_of_death);
        ids.insert(author.key.clone(), insert.fetch_one(&mut *db).await?);
    }
    Ok(ids)
}

async fn insert_books(
    db: &mut SqliteConnection,
    books: &[Book],
    authors: &Ids,
    languages: &Ids,
    genres: &Ids,
) -> Result<Ids, sqlx::Error> {
    let mut ids = Ids::new();
    for book in books {
        let insert = sqlx::query_scalar(INSERT_BOOK)
            .bind(&book.title)
            .bind(&book.summary)
            .bind(&book.isbn)
            .bind(book.author.as_ref().map(|author| authors[author]))
            .bind(book.language.as_ref().map(|language| languages[language]));
        let id: i64 = insert.fetch_one(&mut *db).await?;
        for genre in &book.genres {
            let insert = sqlx::query(INSERT_BOOK_GENRE).bind(id).bind(genres[genre]);
            insert.execute(&mut *db).await?;
        }
        ids.insert(book.key.clone(), id);
    }
    Ok(ids)
}

async fn insert_copies(
    db: &mut SqliteConnection,
    copies: &[Copy],
    books: &Ids,
    users: &Ids,
) -> Result<(), sqlx::Error> {
    let today = date::today();
    for copy in copies {
        let insert = sqlx::query(INSERT_COPY)
            .bind(copy.id.replace('-', ""))
            .bind(&copy.imprint)
            .bind(
                copy.due_in_days
                    .map(|days| (today + days.days()).to_string()),
            )
            .bind(copy.status.code())
            .bind(books[&copy.book])
            .bind(copy.borrower.as_ref().map(|borrower| users[borrower]));
        insert.execute(&mut *db).await?;
    }
    Ok(())
}
