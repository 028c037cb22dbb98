use std::borrow::Cow;

/// What a login must know of a row of `auth_user`; implement it for the struct that your query fills.
///
/// # Examples
/// ```
/// use std::borrow::Cow;
///
/// use cloakroom_django::auth::Account;
///
/// struct User {
///     id: i64,
///     password: String,
///     is_active: bool,
/// }
///
/// impl Account for User {
///     fn id(&self) -> Cow<'_, str> {
///         self.id.to_string().into()
///     }
///
///     fn password(&self) -> &str {
///         &self.password
///     }
///
///     fn is_active(&self) -> bool {
///         self.is_active
///     }
/// }
///
/// # let ada = User { id: 7, password: "!".into(), is_active: true };
/// assert_eq!(ada.id(), "7");
/// ```
pub trait Account {
    /// The primary key as text, the way Python writes it: an integer in decimal digits, a UUID in lower case with
    /// hyphens.
    fn id(&self) -> Cow<'_, str>;

    /// The password field: the hash as it is stored, see [`passwords`](crate::auth::passwords).
    fn password(&self) -> &str;

    /// Whether the user may log in at all.
    fn is_active(&self) -> bool;
}

impl<T: Account + ?Sized> Account for &T {
    fn id(&self) -> Cow<'_, str> {
        (**self).id()
    }

    fn password(&self) -> &str {
        (**self).password()
    }

    fn is_active(&self) -> bool {
        (**self).is_active()
    }
}
