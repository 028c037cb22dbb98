use std::fmt;

use crate::web::static_files::fnv1a;

/// The number of cover colours in the style sheet.
const CLOTHS: u64 = 8;

/// The number of cover layouts in the style sheet.
const BINDINGS: u64 = 3;

/// A cover that the style sheet draws, with the title and the author on it. The same title and
/// author always have the same cover. `Display` writes the CSS classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cover {
    /// The number of the colour.
    cloth: u64,
    /// The number of the layout.
    binding: u64,
    /// The size of the title.
    size: &'static str,
}

impl Cover {
    /// Returns the cover of a book. The cover depends on the author as well, so that books with the
    /// same title can have different covers.
    pub(crate) fn of(title: &str, author: &str) -> Self {
        let hash = fnv1a(format!("{title}\n{author}").as_bytes());
        // Mix in higher bits: the low bits of this hash are its weakest.
        let hash = hash ^ (hash >> 29);
        Self {
            cloth: hash % CLOTHS,
            binding: hash / CLOTHS % BINDINGS,
            size: size(title),
        }
    }
}

impl fmt::Display for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cover cloth-{} binding-{} title-{}",
            self.cloth, self.binding, self.size
        )
    }
}

/// Returns the largest size at which the longest word fits into a line and the whole title fits on
/// the cover. The limits are in the unit of [`width`].
fn size(title: &str) -> &'static str {
    let longest_word = title
        .split_whitespace()
        .map(unbroken_width)
        .max()
        .unwrap_or_default();
    let whole: usize = title.chars().map(width).sum();
    match (longest_word, whole) {
        (0..=80, 0..=240) => "large",
        (0..=110, 0..=360) => "medium",
        (0..=144, 0..=600) => "small",
        _ => "tiny",
    }
}

/// Returns the width of the part of a word that can't be broken. Chinese and Japanese words can be
/// broken after every character.
fn unbroken_width(word: &str) -> usize {
    if word.chars().any(is_wide) {
        WIDE
    } else {
        word.chars().map(width).sum()
    }
}

/// Returns the width of a character, in tenths of an average Latin letter.
fn width(c: char) -> usize {
    match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | '\'' | ',' | '.' | ';' | ' ' => 7,
        'm' | 'w' | 'M' | 'W' => 15,
        '\u{370}'..='\u{52f}' => 12,
        c if is_wide(c) => WIDE,
        _ => 10,
    }
}

/// The width of a Chinese or Japanese character.
const WIDE: usize = 20;

fn is_wide(c: char) -> bool {
    c >= '\u{2e80}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cover_depends_on_the_title_and_the_author() {
        let emma = Cover::of("Emma", "Austen, Jane");
        assert_eq!(emma, Cover::of("Emma", "Austen, Jane"));
        assert_ne!(emma, Cover::of("Emma", "Tennant, Emma"));
    }

    #[test]
    fn a_long_title_or_word_is_set_smaller() {
        assert_eq!(size("Emma"), "large");
        assert_eq!(size("Adventures of Huckleberry Finn"), "medium");
        assert_eq!(size("Преступление и наказание"), "small");
        assert_eq!(size(&"long ".repeat(40)), "tiny");
    }

    #[test]
    fn a_japanese_title_is_set_large_because_it_breaks_anywhere() {
        assert_eq!(size("吾輩は猫である"), "large");
    }
}
