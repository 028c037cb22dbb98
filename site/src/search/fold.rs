use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// `text` as it is compared: without case and accents, in every script.
pub(crate) fn fold(text: &str) -> String {
    // Most texts are, and a whole catalogue of them is folded after an import.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(fold_char).collect()
}

fn fold_char(c: char) -> impl Iterator<Item = char> {
    std::iter::once(c)
        .nfkd()
        .filter(|c| !is_accent(*c))
        // By way of capitals, ß and ss, and the two small sigmas, become the same.
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfd()
        .filter(|c| !is_accent(*c))
        .map(|c| match c {
            'ø' => 'o',
            'ł' => 'l',
            'đ' => 'd',
            'ı' => 'i',
            other => other,
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// Voicing marks of Japanese are no accents: they make other syllables.
fn is_accent(c: char) -> bool {
    is_combining_mark(c) && !matches!(c, '\u{3099}' | '\u{309a}')
}

/// A piece of a text, and whether it is one of the words searched for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) is_match: bool,
}

/// Splits `text` where one of the folded `words` is.
pub(crate) fn mark(text: &str, words: &[String]) -> Vec<Piece> {
    let mut folded = String::new();
    // From each byte of the folded text to the character of the text that it came from.
    let mut origin = Vec::new();
    for (at, c) in text.chars().enumerate() {
        folded.extend(fold_char(c));
        origin.resize(folded.len(), at);
    }
    let mut is_match = vec![false; text.chars().count()];
    for word in words.iter().filter(|word| !word.is_empty()) {
        for (start, found) in folded.match_indices(word.as_str()) {
            for at in &origin[start..start + found.len()] {
                is_match[*at] = true;
            }
        }
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for (c, is_match) in text.chars().zip(is_match) {
        match pieces.last_mut() {
            Some(piece) if piece.is_match == is_match => piece.text.push(c),
            _ => pieces.push(Piece {
                text: c.to_string(),
                is_match,
            }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_count() {
        for (one, other) in [
            ("АННА", "Анна"),
            ("miserables", "Misérables"),
            ("STRASSE", "Straße"),
            ("ΟΔΥΣΣΕΥΣ", "Ὀδυσσεύς"),
            ("oe", "Øe"),
            ("É", "e\u{301}"),
            ("İ", "i"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("か"), fold("が"));
    }

    #[test]
    fn what_was_found_is_marked_in_the_text_as_it_was_written() {
        let words = [fold("miser"), fold("ES")];
        let pieces: String = mark("Les Misérables", &words)
            .into_iter()
            .map(|piece| match piece.is_match {
                true => format!("[{}]", piece.text),
                false => piece.text,
            })
            .collect();
        assert_eq!(pieces, "L[es] [Misér]abl[es]");
        assert_eq!(mark("", &words), []);
    }
}
