use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The typed name of an item.
///
/// Declare each item once, as a constant. The compiler then checks the type at every use.
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
    /// Creates the item with this name.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Item;
    ///
    /// const VISITS: Item<u64> = Item::new("num_visits");
    /// assert_eq!(VISITS.name(), "num_visits");
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            of: PhantomData,
        }
    }

    /// Returns the name, as it is stored.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Item;
    ///
    /// assert_eq!(Item::<String>::new("theme").name(), "theme");
    /// ```
    pub const fn name(self) -> &'static str {
        self.name
    }
}

// Not derived: a derive would require `T: Clone`, although no `T` is stored.
impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Item<T> {}

impl<T> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&self.name).finish()
    }
}

/// The name of an item: an [`Item`], or plain text.
///
/// The methods of [`Session`](crate::Session) accept every type that implements this trait. The
/// trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the name of an item",
    label = "expected an `Item<T>`, a `&str` or a `String`"
)]
pub trait ItemName: sealed::Sealed {
    /// Borrows the name, for a look-up.
    fn as_name(&self) -> &str;

    /// Converts to the name that is stored with the item. Borrowed text is copied; the name of an
    /// [`Item`] is static and is not copied.
    fn into_name(self) -> Name;
}

/// The name of an item that can be read as a `T`: an [`Item<T>`], or plain text.
///
/// Plain text can name an item of any type; the compiler then infers `T` from the context.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an item of type `{T}`",
    label = "this item has another type"
)]
pub trait NameOf<T>: ItemName {}

/// The name of an item that can be set to a `V`.
///
/// Plain text accepts any type. An [`Item<T>`] accepts a `T` or a `&T`; an `Item<String>` also
/// accepts a `&str`, and an `Item<Vec<E>>` also accepts a `&[E]`.
#[diagnostic::on_unimplemented(
    message = "the item `{Self}` cannot be set to a `{V}`",
    label = "this item has another type",
    note = "an `Item<T>` takes a `T` or a `&T`; \
            an `Item<String>` also takes a `&str`, an `Item<Vec<E>>` a `&[E]`"
)]
pub trait Accepts<V>: ItemName {}

impl<T> ItemName for Item<T> {
    fn as_name(&self) -> &str {
        self.name
    }

    fn into_name(self) -> Name {
        Cow::Borrowed(self.name)
    }
}

impl<T> NameOf<T> for Item<T> {}

impl<T, V: sealed::WrittenAs<T>> Accepts<V> for Item<T> {}

macro_rules! text_is_a_name {
    ($($text:ty: $name:ident => $owned:expr),+) => {$(
        impl ItemName for $text {
            fn as_name(&self) -> &str {
                self
            }

            fn into_name(self) -> Name {
                let $name = self;
                Cow::Owned($owned)
            }
        }

        impl<T> NameOf<T> for $text {}

        impl<V> Accepts<V> for $text {}

        impl sealed::Sealed for $text {}
    )+};
}

text_is_a_name! {
    &str: name => name.to_owned(),
    &&str: name => (*name).to_owned(),
    &String: name => name.clone(),
    String: name => name,
    Name: name => name.into_owned()
}

mod sealed {
    pub trait Sealed {}

    impl<T> Sealed for super::Item<T> {}

    /// A type whose values have the same stored form as a `T`.
    pub trait WrittenAs<T> {}

    impl<T> WrittenAs<T> for T {}

    impl<T> WrittenAs<T> for &T {}

    impl WrittenAs<String> for &str {}

    impl<E> WrittenAs<Vec<E>> for &[E] {}
}

/// The name of an item.
pub type Name = Cow<'static, str>;
