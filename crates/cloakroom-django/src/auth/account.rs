use std::borrow::Cow;

/// The fields of a row of `auth_user` that a login reads.
///
/// Implement this trait for the struct that your query returns.
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
    /// Returns the primary key as Python writes it: an integer in decimal digits, or a UUID in
    /// lower case with hyphens.
    fn id(&self) -> Cow<'_, str>;

    /// Returns the password field, which contains the stored hash; see
    /// [`passwords`](crate::auth::passwords).
    fn password(&self) -> &str;

    /// Returns whether the user may log in.
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
