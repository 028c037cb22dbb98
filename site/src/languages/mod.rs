//! Languages: the list, one language with its books, what their forms say, and the tags by which browsers know them.

mod detail;
mod list;
mod tag;

pub(crate) use detail::detail;
pub(crate) use list::list;
pub(crate) use tag::tag;

use crate::named::Named;

/// Languages as records that are a name.
pub(crate) static LANGUAGES: Named = Named {
    kind: "language",
    plural: "languages",
    create: "Create language",
    help: "For example English or Japanese.",
    exists: "Language already exists (case insensitive match)",
    name: "SELECT name FROM catalog_language WHERE id = ?",
    others: "SELECT name FROM catalog_language WHERE id IS NOT ?",
    insert: "INSERT INTO catalog_language (name) VALUES (?) RETURNING id",
    update: "UPDATE catalog_language SET name = ? WHERE id = ?",
    books: "SELECT id, title FROM catalog_book WHERE language_id = ? ORDER BY title, id",
    delete: "\
        DELETE FROM catalog_language WHERE id = ?1 \
        AND NOT EXISTS (SELECT 1 FROM catalog_book WHERE language_id = ?1)",
};
