/// The user that a session belongs to.
///
/// An owner is the text by which the site identifies a user, for example a primary key. Owners are
/// compared byte for byte.
///
/// # Examples
/// ```
/// use cloakroom::Owner;
///
/// assert_eq!(Owner::from(42_i64).as_str(), "42");
/// assert_eq!(Owner::from("ada"), Owner::from(String::from("ada")));
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Owner(Box<str>);

impl Owner {
    /// Returns the text that identifies the user.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Owner;
    ///
    /// assert_eq!(Owner::from(42_u64).as_str(), "42");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Owner {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Owner {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Owner {
    fn from(text: &String) -> Self {
        Self(text.as_str().into())
    }
}

macro_rules! impl_from_integers {
    ($($number:ty)+) => {$(
        impl From<$number> for Owner {
            fn from(id: $number) -> Self {
                id.to_string().into()
            }
        }
    )+};
}

impl_from_integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for Owner {
    /// Uses the lower-case form with hyphens.
    fn from(id: uuid::Uuid) -> Self {
        id.to_string().into()
    }
}
