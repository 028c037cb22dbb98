use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Folds `text` for comparison: removes differences of case and accents, in every script, and
/// replaces letters such as `æ` with the plain letters that people type instead.
///
/// Folded texts are stored in the search index. If you change this function, increase the version
/// in `index::REFOLD`.
pub(crate) fn fold(text: &str) -> String {
    // A fast path: most texts are ASCII, and an import folds a whole catalogue.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        push_folded(c, &mut folded);
    }
    folded
}

fn push_folded(c: char, folded: &mut String) {
    let plain = std::iter::once(c)
        .nfkd()
        .filter(|c| !is_accent(*c))
        // Convert to upper case first, so that ı equals i and the two lower-case sigmas are equal.
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfd()
        .filter(|c| !is_accent(*c));
    for c in plain {
        match c {
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            other => folded.push(other),
        }
    }
}

/// Returns whether `c` is an accent. The voicing marks of Japanese are not accents: a syllable with
/// a mark is a different syllable.
fn is_accent(c: char) -> bool {
    is_combining_mark(c) && !matches!(c, '\u{3099}' | '\u{309a}')
}

/// A piece of a text, and whether it matches a word of the search.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) is_match: bool,
}

/// Splits `text` into pieces that match one of the folded `words` and pieces that match none.
pub(crate) fn mark(text: &str, words: &[String]) -> Vec<Piece> {
    let mut folded = String::new();
    // Maps each byte of the folded text to the index of the character in `text` that the byte comes
    // from. Folding may turn one character into several.
    let mut origin = Vec::new();
    for (at, c) in text.chars().enumerate() {
        push_folded(c, &mut folded);
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
    fn case_and_accents_are_ignored() {
        for (one, other) in [
            ("АННА", "Анна"),
            ("miserables", "Misérables"),
            ("STRASSE", "Straße"),
            ("ΟΔΥΣΣΕΥΣ", "Ὀδυσσεύς"),
            ("oe", "Øe"),
            ("STRASSE", "STRAẞE"),
            ("aero", "Ærø"),
            ("OEUVRE", "œuvre"),
            ("Aelfric", "Ǽlfric"),
            ("Dorde", "Đorđe"),
            ("Thor Odinn", "Þór Óðinn"),
            ("thad", "ÞAÐ"),
            ("Lodz", "Łódź"),
            ("Diyarbakir", "Dıyarbakır"),
            ("É", "e\u{301}"),
            ("İ", "i"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("か"), fold("が"));
    }

    #[test]
    fn matches_are_marked_in_the_original_text() {
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

    #[test]
    fn a_letter_that_is_folded_to_two_is_marked_as_a_whole() {
        for (text, word, marked) in [
            ("Ærø er ø", "aero", "[Ærø] er ø"),
            ("Ærø er ø", "o", "Ær[ø] er [ø]"),
            ("Cœur, œuvre", "uv", "Cœur, œ[uv]re"),
            ("Cœur, œuvre", "eu", "C[œu]r, [œu]vre"),
            ("Maß, Straße, Gasse", "sse", "Maß, Stra[ße], Ga[sse]"),
            ("Maß, Straße, Gasse", "as", "M[aß], Str[aß]e, G[as]se"),
            ("Þórr þú", "hu", "Þórr [þú]"),
        ] {
            let pieces: String = mark(text, &[fold(word)])
                .into_iter()
                .map(|piece| match piece.is_match {
                    true => format!("[{}]", piece.text),
                    false => piece.text,
                })
                .collect();
            assert_eq!(pieces, marked);
        }
    }
}
