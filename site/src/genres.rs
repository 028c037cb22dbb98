//! Genres: their labels and SQL statements.

use crate::{
    named::NamedRecord,
    users::Permission::{ChangeGenre, DeleteGenre},
};

/// The genres of books.
pub(crate) static GENRES: NamedRecord = NamedRecord {
    kind: "genre",
    plural: "genres",
    create: "Create genre",
    help: "For example Science fiction or Poetry.",
    exists: "Genre already exists (case insensitive match)",
    permissions: (ChangeGenre, DeleteGenre),
    count: "SELECT COUNT(*) FROM catalog_genre",
    list: "SELECT id, name FROM catalog_genre ORDER BY name, id LIMIT ? OFFSET ?",
    name: "SELECT name FROM catalog_genre WHERE id = ?",
    others: "SELECT name FROM catalog_genre WHERE id IS NOT ?",
    insert: "INSERT INTO catalog_genre (name) VALUES (?) RETURNING id",
    update: "UPDATE catalog_genre SET name = ? WHERE id = ?",
    book_count: "SELECT COUNT(*) FROM catalog_book_genre WHERE genre_id = ?",
    book_list: "\
        SELECT b.id, b.title, a.last_name, a.first_name, l.name FROM catalog_book b \
        JOIN catalog_book_genre bg ON bg.book_id = b.id \
        LEFT JOIN catalog_author a ON a.id = b.author_id \
        LEFT JOIN catalog_language l ON l.id = b.language_id \
        WHERE bg.genre_id = ? \
        ORDER BY b.title, a.last_name, a.first_name, b.id LIMIT ? OFFSET ?",
    blocking_books: "\
        SELECT DISTINCT b.id, b.title FROM catalog_book b \
        JOIN catalog_book_genre bg ON bg.book_id = b.id \
        WHERE bg.genre_id IN (SELECT value FROM json_each(?1)) ORDER BY b.title, b.id",
    delete: "DELETE FROM catalog_genre WHERE id IN (SELECT value FROM json_each(?1))",
};
