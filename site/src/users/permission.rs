/// A permission. LocalLibrary, the Django site of MDN's tutorial, has the same permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    MarkReturned,
    AddAuthor,
    ChangeAuthor,
    DeleteAuthor,
    AddBook,
    ChangeBook,
    DeleteBook,
    AddGenre,
    ChangeGenre,
    DeleteGenre,
    AddLanguage,
    ChangeLanguage,
    DeleteLanguage,
    AddCopy,
    ChangeCopy,
    DeleteCopy,
}

impl Permission {
    /// Returns the code of the permission: the app and the codename in Django's tables.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::MarkReturned => "catalog.can_mark_returned",
            Self::AddAuthor => "catalog.add_author",
            Self::ChangeAuthor => "catalog.change_author",
            Self::DeleteAuthor => "catalog.delete_author",
            Self::AddBook => "catalog.add_book",
            Self::ChangeBook => "catalog.change_book",
            Self::DeleteBook => "catalog.delete_book",
            Self::AddGenre => "catalog.add_genre",
            Self::ChangeGenre => "catalog.change_genre",
            Self::DeleteGenre => "catalog.delete_genre",
            Self::AddLanguage => "catalog.add_language",
            Self::ChangeLanguage => "catalog.change_language",
            Self::DeleteLanguage => "catalog.delete_language",
            Self::AddCopy => "catalog.add_bookinstance",
            Self::ChangeCopy => "catalog.change_bookinstance",
            Self::DeleteCopy => "catalog.delete_bookinstance",
        }
    }
}
