//! The models of the staff area.

use super::model::{
    Column, ColumnFormat, Filter, FilterChoices, Inline, Model, ModelKind, Param, Section,
};

/// Returns all models, in the order of the start page.
pub(super) fn all() -> impl Iterator<Item = &'static Model> {
    MODELS.into_iter()
}

pub(super) fn find(app: &str, name: &str) -> Option<&'static Model> {
    all().find(|model| model.app == app && model.name == name)
}

pub(super) fn of_kind(kind: ModelKind) -> &'static Model {
    let model = all().find(|model| model.kind == kind);
    model.expect("every kind has a model below")
}

/// The apps and their labels on the start page.
pub(super) const APPS: [(&str, &str); 2] = [("catalog", "Catalogue"), ("auth", "Accounts")];

static MODELS: [&Model; 7] = [&AUTHOR, &COPY, &BOOK, &GENRE, &LANGUAGE, &GROUP, &USER];

macro_rules! author_name {
    () => {
        "TRIM(a.last_name || ', ' || a.first_name, ', ')"
    };
}

/// A filter by a boolean column.
macro_rules! flag {
    ($title:literal, $name:literal, $column:literal) => {
        Filter {
            title: $title,
            any: "All",
            params: &[Param {
                name: $name,
                sql: concat!($column, " = CAST(? AS INTEGER)"),
            }],
            choices: FilterChoices::Flag,
        }
    };
}

static AUTHOR: Model = Model {
    kind: ModelKind::Author,
    app: "catalog",
    name: "author",
    singular: "author",
    plural: "authors",
    from: "catalog_author a",
    key: "a.id",
    title: author_name!(),
    order: "a.last_name, a.first_name, a.id",
    columns: &[
        text("Last name", "a.last_name"),
        text("First name", "a.first_name"),
        date("Date of birth", "a.date_of_birth"),
        date("Died", "a.date_of_death"),
    ],
    search: "a.first_name || ' ' || a.last_name",
    filters: &[],
    values: "a.first_name, a.last_name, a.date_of_birth, a.date_of_death",
    sections: &[Section {
        heading: None,
        rows: &[
            &["first_name"],
            &["last_name"],
            &["date_of_birth", "date_of_death"],
        ],
    }],
    inline: Some(Inline {
        kind: ModelKind::Book,
        prefix: "book_set",
        heading: "Books",
        parent: "b.author_id",
        columns: &[
            ("title", "Title"),
            ("summary", "Summary"),
            ("isbn", "ISBN"),
            ("genre", "Genre"),
            ("language", "Language"),
        ],
        prefilled: &[],
    }),
    blocked_by: Some("books"),
    cascades: None,
};

static BOOK: Model = Model {
    kind: ModelKind::Book,
    app: "catalog",
    name: "book",
    singular: "book",
    plural: "books",
    from: "catalog_book b LEFT JOIN catalog_author a ON a.id = b.author_id",
    key: "b.id",
    title: "b.title",
    order: "b.title, a.last_name, a.first_name, b.id",
    columns: &[
        text("Title", "b.title"),
        text(
            "Author",
            concat!("COALESCE(", author_name!(), ", 'Unknown author')"),
        ),
        text(
            "Genre",
            "(SELECT GROUP_CONCAT(name, ', ') FROM (SELECT g.name FROM catalog_book_genre bg \
             JOIN catalog_genre g ON g.id = bg.genre_id WHERE bg.book_id = b.id \
             ORDER BY g.name LIMIT 3))",
        ),
    ],
    search: "b.title || ' ' || b.isbn || ' ' || COALESCE(a.first_name || ' ' || a.last_name, '')",
    filters: &[],
    values: "b.title, b.author_id AS author, b.summary, b.isbn, b.language_id AS language, \
             (SELECT GROUP_CONCAT(bg.genre_id) FROM catalog_book_genre bg WHERE bg.book_id = b.id) \
             AS 'genre[]'",
    sections: &[],
    inline: Some(Inline {
        kind: ModelKind::Copy,
        prefix: "bookinstance_set",
        heading: "Copies",
        parent: "c.book_id",
        columns: &[
            ("imprint", "Imprint"),
            ("due_back", "Due back"),
            ("borrower", "Borrower"),
            ("status", "Status"),
        ],
        prefilled: &["status"],
    }),
    blocked_by: Some("copies"),
    cascades: Some(
        "SELECT b.title || ' in the genre ' || g.name FROM catalog_book_genre bg \
         JOIN catalog_genre g ON g.id = bg.genre_id JOIN catalog_book b ON b.id = bg.book_id \
         WHERE bg.book_id IN (SELECT value FROM json_each(?1)) ORDER BY b.title, g.name",
    ),
};

static COPY: Model = Model {
    kind: ModelKind::Copy,
    app: "catalog",
    name: "bookinstance",
    singular: "book instance",
    plural: "book instances",
    from: "catalog_bookinstance c LEFT JOIN catalog_book b ON b.id = c.book_id \
           LEFT JOIN auth_user u ON u.id = c.borrower_id",
    key: "c.id",
    // The same title as in Django, because Django and this site write it to the same history.
    title: "SUBSTR(c.id, 1, 8) || '-' || SUBSTR(c.id, 9, 4) || '-' || SUBSTR(c.id, 13, 4) || \
            '-' || SUBSTR(c.id, 17, 4) || '-' || SUBSTR(c.id, 21) || \
            ' (' || COALESCE(b.title, 'Unknown book') || ')'",
    order: "c.due_back IS NOT NULL, c.due_back, c.id",
    columns: &[
        text("Book", "COALESCE(b.title, 'Unknown book')"),
        column("Status", "c.status", ColumnFormat::Status),
        text("Borrower", "u.username"),
        date("Due back", "c.due_back"),
        column("Id", "c.id", ColumnFormat::CopyId),
    ],
    search: "COALESCE(b.title, '') || ' ' || c.imprint || ' ' || COALESCE(u.username, '')",
    filters: &[
        Filter {
            title: "By status",
            any: "All",
            params: &[Param {
                name: "status__exact",
                sql: "c.status = ?",
            }],
            choices: FilterChoices::Statuses,
        },
        Filter {
            title: "By due back",
            any: "Any date",
            params: &[
                Param {
                    name: "due_back__gte",
                    sql: "c.due_back >= ?",
                },
                Param {
                    name: "due_back__lt",
                    sql: "c.due_back < ?",
                },
                Param {
                    name: "due_back__isnull",
                    sql: "(c.due_back IS NULL) = (? = 'True')",
                },
            ],
            choices: FilterChoices::Dates,
        },
    ],
    values: "c.id, c.book_id AS book, c.imprint, c.due_back, c.borrower_id AS borrower, c.status",
    sections: &[
        Section {
            heading: None,
            rows: &[&["book"], &["imprint"], &["id"]],
        },
        Section {
            heading: Some("Availability"),
            rows: &[&["status"], &["due_back", "borrower"]],
        },
    ],
    inline: None,
    blocked_by: None,
    cascades: None,
};

static GENRE: Model = Model {
    kind: ModelKind::Genre,
    app: "catalog",
    name: "genre",
    singular: "genre",
    plural: "genres",
    from: "catalog_genre g",
    key: "g.id",
    title: "g.name",
    order: "g.name, g.id",
    columns: &[text("Genre", "g.name")],
    search: "g.name",
    filters: &[],
    values: "g.name",
    sections: &[],
    inline: None,
    blocked_by: Some("books"),
    cascades: None,
};

static LANGUAGE: Model = Model {
    kind: ModelKind::Language,
    app: "catalog",
    name: "language",
    singular: "language",
    plural: "languages",
    from: "catalog_language l",
    key: "l.id",
    title: "l.name",
    order: "l.name, l.id",
    columns: &[text("Language", "l.name")],
    search: "l.name",
    filters: &[],
    values: "l.name",
    sections: &[],
    inline: None,
    blocked_by: Some("books"),
    cascades: None,
};

static GROUP: Model = Model {
    kind: ModelKind::Group,
    app: "auth",
    name: "group",
    singular: "group",
    plural: "groups",
    from: "auth_group g",
    key: "g.id",
    title: "g.name",
    order: "g.name, g.id",
    columns: &[
        text("Group", "g.name"),
        text(
            "Members",
            "(SELECT COUNT(*) FROM auth_user_groups ug WHERE ug.group_id = g.id)",
        ),
    ],
    search: "g.name",
    filters: &[],
    values: "g.name, (SELECT GROUP_CONCAT(gp.permission_id) FROM auth_group_permissions gp \
             WHERE gp.group_id = g.id) AS 'permissions[]'",
    sections: &[],
    inline: None,
    blocked_by: None,
    cascades: Some(
        "SELECT u.username || ' in the group ' || g.name FROM auth_user_groups ug \
         JOIN auth_user u ON u.id = ug.user_id JOIN auth_group g ON g.id = ug.group_id \
         WHERE ug.group_id IN (SELECT value FROM json_each(?1)) ORDER BY g.name, u.username",
    ),
};

static USER: Model = Model {
    kind: ModelKind::User,
    app: "auth",
    name: "user",
    singular: "user",
    plural: "users",
    from: "auth_user u",
    key: "u.id",
    title: "u.username",
    order: "u.username, u.id",
    columns: &[
        text("Username", "u.username"),
        text("Email address", "u.email"),
        text("First name", "u.first_name"),
        text("Last name", "u.last_name"),
        column("Staff status", "u.is_staff", ColumnFormat::Flag),
    ],
    search: "u.username || ' ' || u.first_name || ' ' || u.last_name || ' ' || u.email",
    filters: &[
        flag!("By staff status", "is_staff__exact", "u.is_staff"),
        flag!(
            "By superuser status",
            "is_superuser__exact",
            "u.is_superuser"
        ),
        flag!("By active", "is_active__exact", "u.is_active"),
        Filter {
            title: "By groups",
            any: "All",
            params: &[Param {
                name: "groups__id__exact",
                sql: "u.id IN (SELECT ug.user_id FROM auth_user_groups ug \
                      WHERE ug.group_id = CAST(? AS INTEGER))",
            }],
            choices: FilterChoices::Groups,
        },
    ],
    values: "u.username, u.password, u.first_name, u.last_name, u.email, \
             NULLIF(u.is_active, 0) AS is_active, NULLIF(u.is_staff, 0) AS is_staff, \
             NULLIF(u.is_superuser, 0) AS is_superuser, u.last_login, u.date_joined, \
             (SELECT GROUP_CONCAT(ug.group_id) FROM auth_user_groups ug WHERE ug.user_id = u.id) \
             AS 'groups[]', \
             (SELECT GROUP_CONCAT(up.permission_id) FROM auth_user_user_permissions up \
             WHERE up.user_id = u.id) AS 'user_permissions[]'",
    sections: &[
        Section {
            heading: None,
            rows: &[&["username"], &["password"], &["password1"], &["password2"]],
        },
        Section {
            heading: Some("Person"),
            rows: &[&["first_name", "last_name"], &["email"]],
        },
        Section {
            heading: Some("Permissions"),
            rows: &[
                &["is_active"],
                &["is_staff"],
                &["is_superuser"],
                &["groups"],
                &["user_permissions"],
            ],
        },
        Section {
            heading: Some("Dates"),
            rows: &[&["last_login", "date_joined"]],
        },
    ],
    inline: None,
    blocked_by: None,
    cascades: Some(
        "SELECT u.username || ' in the group ' || g.name FROM auth_user_groups ug \
         JOIN auth_user u ON u.id = ug.user_id JOIN auth_group g ON g.id = ug.group_id \
         WHERE ug.user_id IN (SELECT value FROM json_each(?1)) \
         UNION ALL SELECT 'Entries of ' || u.username || ' in the history: ' || COUNT(*) \
         FROM django_admin_log l JOIN auth_user u ON u.id = l.user_id \
         WHERE l.user_id IN (SELECT value FROM json_each(?1)) GROUP BY u.id \
         UNION ALL SELECT u.username || ' as the borrower of ' || b.title \
         FROM catalog_bookinstance c JOIN auth_user u ON u.id = c.borrower_id \
         LEFT JOIN catalog_book b ON b.id = c.book_id \
         WHERE c.borrower_id IN (SELECT value FROM json_each(?1))",
    ),
};

const fn column(label: &'static str, sql: &'static str, shows: ColumnFormat) -> Column {
    Column { label, sql, shows }
}

const fn text(label: &'static str, sql: &'static str) -> Column {
    column(label, sql, ColumnFormat::Text)
}

const fn date(label: &'static str, sql: &'static str) -> Column {
    column(label, sql, ColumnFormat::Date)
}
