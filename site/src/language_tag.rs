//! The tags by which browsers know languages.

/// Returns the BCP 47 tag of a language that the catalogue calls by its English name, if it is a well-known one.
///
/// Titles stand in the language of the book: with its tag, a browser picks fonts that fit, and a voice that can read it.
/// English has none here: it is the language of the pages.
pub(crate) fn of_language(name: Option<&str>) -> Option<&'static str> {
    Some(match name? {
        "Arabic" => "ar",
        "Chinese" => "zh",
        "Czech" => "cs",
        "Danish" => "da",
        "Dutch" => "nl",
        "Esperanto" => "eo",
        "Finnish" => "fi",
        "French" => "fr",
        "German" => "de",
        "Greek" => "el",
        "Hebrew" => "he",
        "Hungarian" => "hu",
        "Italian" => "it",
        "Japanese" => "ja",
        "Korean" => "ko",
        "Latin" => "la",
        "Norwegian" => "no",
        "Old English" => "ang",
        "Polish" => "pl",
        "Portuguese" => "pt",
        "Russian" => "ru",
        "Spanish" => "es",
        "Swedish" => "sv",
        "Turkish" => "tr",
        "Ukrainian" => "uk",
        _ => return None,
    })
}
