//! BCP 47 tags for the `lang` attribute of titles.

/// Returns the BCP 47 tag of the language with this English name, or `None` if the name is not in
/// the list.
///
/// Titles are in the language of the book. The tag lets a browser choose a matching font, and a
/// screen reader a matching voice. English is not in the list because the pages themselves are in
/// English.
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
