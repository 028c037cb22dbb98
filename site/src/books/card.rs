use super::cover::Cover;
use crate::{authors, language_tag};

/// A book in a list: a cover, the title as a link, and the author.
pub(crate) struct BookCard {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) author: String,
    /// The BCP 47 tag of the title's language.
    pub(crate) lang: Option<&'static str>,
    pub(crate) cover: Cover,
}

/// A database row: the id, the title, the author's last and first name, and the name of the
/// language.
pub(crate) type CardRow = (i64, String, Option<String>, Option<String>, Option<String>);

impl From<CardRow> for BookCard {
    fn from((id, title, last_name, first_name, language): CardRow) -> Self {
        let author = authors::name_or_unknown(last_name, first_name);
        Self {
            id,
            cover: Cover::of(&title, &author),
            title,
            author,
            lang: language_tag::of_language(language.as_deref()),
        }
    }
}
