//! Genres: the list, one genre with its books, and what their forms say.

mod detail;
mod list;

pub(crate) use detail::detail;
pub(crate) use list::list;

use crate::named::Named;

/// Genres as records that are a name.
pub(crate) static GENRES: Named = Named {
    kind: "genre",
    plural: "genres",
    create: "Create genre",
    help: "For example Science fiction or Poetry.",
    exists: "Genre already exists (case insensitive match)",
    name: "SELECT name FROM catalog_genre WHERE id = ?",
    others: "SELECT name FROM catalog_genre WHERE id IS NOT ?",
    insert: "INSERT INTO catalog_genre (name) VALUES (?) RETURNING id",
    update: "UPDATE catalog_genre SET name = ? WHERE id = ?",
    books: "\
        SELECT b.id, b.title FROM catalog_book b \
        JOIN catalog_book_genre bg ON bg.book_id = b.id WHERE bg.genre_id = ? ORDER BY b.title, b.id",
    delete: "\
        DELETE FROM catalog_genre WHERE id = ?1 \
        AND NOT EXISTS (SELECT 1 FROM catalog_book_genre WHERE genre_id = ?1)",
};
