use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A typed name for one item of the session.
///
/// Write each one once, as a constant, and the type of the item is known everywhere.
///
/// # Examples
/// ```
/// use cloakroom::Item;
///
/// const VISITS: Item<u64> = Item::new("num_visits");
/// const THEME: Item<String> = Item::new("theme");
///
/// assert_eq!(VISITS.name(), "num_visits");
/// ```
pub struct Item<T> {
    name: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Item<T> {
    /// The item with this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            of: PhantomData,
        }
    }

    /// The name, as it is stored.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

// Derives would ask the same of `T`, of which there is none in here.
impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Item<T> {}

impl<T> AsRef<str> for Item<T> {
    fn as_ref(&self) -> &str {
        self.name
    }
}

impl<T> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&self.name).finish()
    }
}

/// What names an item of type `T`: an [`Item<T>`], or plain text, where the type comes from the context.
pub trait ItemName<T> {
    /// The name for looking it up.
    fn as_name(&self) -> &str;

    /// The name for keeping it.
    fn into_name(self) -> Name;
}

impl<T> ItemName<T> for Item<T> {
    fn as_name(&self) -> &str {
        self.name
    }

    fn into_name(self) -> Name {
        Cow::Borrowed(self.name)
    }
}

impl<T> ItemName<T> for &str {
    fn as_name(&self) -> &str {
        self
    }

    fn into_name(self) -> Name {
        Cow::Owned(self.to_owned())
    }
}

impl<T> ItemName<T> for &String {
    fn as_name(&self) -> &str {
        self
    }

    fn into_name(self) -> Name {
        Cow::Owned(self.clone())
    }
}

impl<T> ItemName<T> for String {
    fn as_name(&self) -> &str {
        self
    }

    fn into_name(self) -> Name {
        Cow::Owned(self)
    }
}

/// The name of an item.
pub type Name = Cow<'static, str>;
