/// The user a session belongs to, once it has one: whatever text the site knows its users by.
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
    /// The text that names the user.
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

impl From<i64> for Owner {
    fn from(id: i64) -> Self {
        id.to_string().into()
    }
}

impl From<u64> for Owner {
    fn from(id: u64) -> Self {
        id.to_string().into()
    }
}
