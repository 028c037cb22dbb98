//! Languages: their labels and SQL statements.

use crate::{
    named::NamedRecord,
    users::Permission::{ChangeLanguage, DeleteLanguage},
};

/// The languages of books.
pub(crate) static LANGUAGES: NamedRecord = NamedRecord {
    kind: "language",
    plural: "languages",
    create: "Create language",
    help: "For example English or Japanese.",
    exists: "Language already exists (case insensitive match)",
    permissions: (ChangeLanguage, DeleteLanguage),
    count: "SELECT COUNT(*) FROM catalog_language",
    list: "SELECT id, name FROM catalog_language ORDER BY name, id LIMIT ? OFFSET ?",
    name: "SELECT name FROM catalog_language WHERE id = ?",
    others: "SELECT name FROM catalog_language WHERE id IS NOT ?",
    insert: "INSERT INTO catalog_language (name) VALUES (?) RETURNING id",
    update: "UPDATE catalog_language SET name = ? WHERE id = ?",
    book_count: "SELECT COUNT(*) FROM catalog_book WHERE language_id = ?",
    book_list: "\
        SELECT b.id, b.title, a.last_name, a.first_name, l.name FROM catalog_book b \
        JOIN catalog_language l ON l.id = b.language_id \
        LEFT JOIN catalog_author a ON a.id = b.author_id \
        WHERE l.id = ? \
        ORDER BY b.title, a.last_name, a.first_name, b.id LIMIT ? OFFSET ?",
    blocking_books: "\
        SELECT id, title FROM catalog_book \
        WHERE language_id IN (SELECT value FROM json_each(?1)) ORDER BY title, id",
    delete: "DELETE FROM catalog_language WHERE id IN (SELECT value FROM json_each(?1))",
};
