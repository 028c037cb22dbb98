use std::fmt;

use crate::web::static_files::fnv1a;

/// Colours of cloth, and ways to set a title, that the style sheet knows.
const CLOTHS: u64 = 8;
const BINDINGS: u64 = 3;

/// A typographic cover, drawn by the style sheet. The same book always looks the same; displays as CSS classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cover {
    cloth: u64,
    binding: u64,
    size: &'static str,
}

impl Cover {
    /// The cover of `title`. The author takes part, so that two books of one title differ.
    pub(crate) fn of(title: &str, author: &str) -> Self {
        let hash = fnv1a(format!("{title}\n{author}").as_bytes());
        // The low bits of this hash are its weakest.
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

/// How large the title can be set: its longest word must fit a line, and all of it the cover.
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

/// How wide a word is that cannot be broken. Chinese and Japanese can, after every character.
fn unbroken_width(word: &str) -> usize {
    if word.chars().any(is_wide) {
        WIDE
    } else {
        word.chars().map(width).sum()
    }
}

/// Tenths of the width of a usual Latin letter.
fn width(c: char) -> usize {
    match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | '\'' | ',' | '.' | ';' | ' ' => 7,
        'm' | 'w' | 'M' | 'W' => 15,
        '\u{370}'..='\u{52f}' => 12,
        c if is_wide(c) => WIDE,
        _ => 10,
    }
}

const WIDE: usize = 20;

fn is_wide(c: char) -> bool {
    c >= '\u{2e80}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_always_has_the_same_cover_and_its_namesake_another() {
        let emma = Cover::of("Emma", "Austen, Jane");
        assert_eq!(emma, Cover::of("Emma", "Austen, Jane"));
        assert_ne!(emma, Cover::of("Emma", "Tennant, Emma"));
    }

    #[test]
    fn the_longer_the_title_or_a_word_of_it_the_smaller_it_is_set() {
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
